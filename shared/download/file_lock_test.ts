import { assertEquals, assertRejects } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { Program } from "../../tests/kit/program.ts";
import { within } from "../../tests/kit/waits.ts";
import { DownloadError } from "./errors.ts";
import { withFileLock } from "./file_lock.ts";

Deno.test("withFileLock lets one body at a time in", async () => {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "new", "x");
  const order: string[] = [];
  const entered = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const first = withFileLock(path, async () => {
    order.push("first in");
    entered.resolve();
    await release.promise;
    order.push("first out");
  });
  await entered.promise;
  const second = withFileLock(path, async () => void order.push("second in"));
  release.resolve();
  await Promise.all([first, second]);
  assertEquals(order, ["first in", "first out", "second in"]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("withFileLock frees the lock of a body that throws, and of a process that dies", async () => {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "x");
  await assertRejects(
    () => withFileLock(path, () => Promise.reject(new Error("oops"))),
    Error,
    "oops",
  );
  const source = `const file = await Deno.open(Deno.args[0], { write: true, create: true });
    await file.lock(true);
    console.log("locked");
    setInterval(() => {}, 1000);`;
  await using holder = new Program([Deno.execPath(), "eval", source, `${path}.lock`]);
  await holder.waitForOutput(/^locked$/m);
  const waiting = withFileLock(path, () => Promise.resolve("free"));
  holder.signal("SIGKILL");
  assertEquals(await within("the lock", waiting), "free");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("withFileLock stops waiting when its signal aborts", async () => {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "x");
  const abort = new AbortController();
  await withFileLock(path, async () => {
    const waiting = withFileLock(path, () => Promise.resolve(), { signal: abort.signal });
    abort.abort(new Error("enough"));
    await assertRejects(() => waiting, Error);
  });
  await Deno.remove(folder, { recursive: true });
});

Deno.test({
  name: "withFileLock takes a lock that it can only read, and says so where there is none",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const path = join(folder, "there");
    // A folder can be opened for reading alone, by root too, whom no mode stops.
    await Deno.mkdir(`${path}.lock`);
    assertEquals(await withFileLock(path, () => Promise.resolve("inside")), "inside");
    const file = join(folder, "file");
    await Deno.writeTextFile(file, "");
    await assertRejects(
      () => withFileLock(join(file, "missing"), () => Promise.resolve()),
      DownloadError,
      "set DYN_CACHE_DIR to a folder that can be written",
    );
    await Deno.remove(folder, { recursive: true });
  },
});
