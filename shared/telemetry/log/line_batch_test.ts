import { assertEquals } from "@std/assert/mod.js";
import { denoRun, runProgram } from "../../../tests/kit/program.ts";
import { LineBatch } from "./line_batch.ts";

function create() {
  const writes: string[] = [];
  const { promise: next, resolve } = Promise.withResolvers<void>();
  const batch = new LineBatch((lines) => {
    writes.push(new TextDecoder().decode(lines));
    resolve();
  });
  return { batch, writes, next };
}

Deno.test("LineBatch writes lines that come together in one go, in their order", async () => {
  const { batch, writes, next } = create();
  batch.add("a\n");
  batch.add("b\n");
  assertEquals(writes, []);
  // The batch keeps no process alive.
  const alive = setInterval(() => {}, 1000);
  await next;
  clearInterval(alive);
  assertEquals(writes, ["a\nb\n"]);
});

Deno.test("LineBatch writes an urgent line at once, and none of those before it later", () => {
  const { batch, writes } = create();
  batch.add("a\n");
  batch.write("urgent\n");
  batch.write("next\n");
  assertEquals(writes, ["a\nurgent\n", "next\n"]);
  batch.flush();
});

Deno.test("LineBatch does not wait when it is full", () => {
  const { batch, writes } = create();
  const line = `${"x".repeat(20_000)}\n`;
  batch.add(line);
  batch.add(line);
  assertEquals(writes, [line + line]);
  batch.flush();
});

Deno.test("LineBatch gives the bytes of every line, longer than its buffer too, in their order", () => {
  const { batch, writes } = create();
  const lines = [
    "grüße 你好 🙂\n",
    `${"你".repeat(70_000)}\n`,
    "\ud800\n",
    `${"x".repeat(50_000)}\n`,
  ];
  for (const line of lines) batch.add(line);
  batch.flush();
  assertEquals(writes.join(""), lines.join("").replace("\ud800", "\ufffd"));
});

Deno.test("LineBatch writes what waits when the process ends", async () => {
  const { code, errors } = await runProgram(denoRun("tests/kit/programs/last_words.ts"));
  assertEquals([code, errors], [3, "last words\n"]);
});
