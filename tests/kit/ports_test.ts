import { assert, assertEquals } from "@std/assert/mod.js";
import { freePort } from "./ports.ts";

Deno.test("freePort gives ports below those that systems give, each once", () => {
  const ports = Array.from({ length: 50 }, freePort);
  assertEquals(new Set(ports).size, ports.length);
  assert(ports.every((port) => port >= 20_000 && port < 32_768), `${ports}`);
});
