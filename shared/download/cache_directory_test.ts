import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { cacheDirectory } from "./cache_directory.ts";

Deno.test("cacheDirectory is the platform's own place", () => {
  const env = { HOME: "/home/ann", LOCALAPPDATA: "C:\\Users\\ann\\AppData\\Local" };
  assertEquals(cacheDirectory({ os: "linux", env }), "/home/ann/.cache/baton");
  assertEquals(cacheDirectory({ os: "darwin", env }), "/home/ann/Library/Caches/baton");
  assertEquals(cacheDirectory({ os: "windows", env }), join(env.LOCALAPPDATA, "baton"));
});

Deno.test("cacheDirectory follows XDG_CACHE_HOME on Linux when it is absolute", () => {
  const env = { HOME: "/home/ann", XDG_CACHE_HOME: "/big/cache" };
  assertEquals(cacheDirectory({ os: "linux", env }), "/big/cache/baton");
  assertEquals(
    cacheDirectory({ os: "linux", env: { ...env, XDG_CACHE_HOME: "relative" } }),
    "/home/ann/.cache/baton",
  );
});

Deno.test("cacheDirectory is what the user chose", () => {
  assertEquals(cacheDirectory({ os: "linux", env: {}, override: "/mine" }), "/mine");
});

Deno.test("cacheDirectory without a home says which setting would do", () => {
  assertThrows(() => cacheDirectory({ os: "linux", env: {} }), Error, "set DYN_CACHE_DIR");
  assertThrows(() => cacheDirectory({ os: "windows", env: {} }), Error, "set DYN_CACHE_DIR");
});
