import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert/mod.js";
import { denoRun, isRunning, Program, runProgram } from "./program.ts";

const PLAIN_PROGRAM = "tests/kit/programs/plain_program.ts";
/** Prints what it reads, and one line on the other stream. */
const CAT = [
  Deno.execPath(),
  "eval",
  `
  console.error("on the side");
  await Deno.stdin.readable.pipeTo(Deno.stdout.writable);
`,
];

Deno.test("runProgram returns code, output and errors of a program, which reads its input", async () => {
  assertEquals(await runProgram(CAT, { input: new TextEncoder().encode("one\ntwo") }), {
    code: 0,
    output: "one\ntwo",
    errors: "on the side\n",
  });
});

Deno.test("Program tells what came instead when its output does not", async () => {
  await using program = new Program(denoRun(PLAIN_PROGRAM));
  await program.waitForOutput(/^up \d+$/m);
  const late = await assertRejects(() => program.waitForOutput(/down/, 5), Error);
  assertStringIncludes(late.message, "output /down/ did not come in 5 ms");
  assertStringIncludes(late.message, `up ${program.pid}`);
  const running = await assertRejects(() => program.end(5), Error);
  assertStringIncludes(running.message, "did not come in 5 ms");
});

Deno.test("Program tells that it ended before its output came", async () => {
  await using program = new Program(denoRun(PLAIN_PROGRAM, "end"));
  const error = await assertRejects(() => program.waitForOutput(/down/), Error);
  assertStringIncludes(error.message, "it ended before output /down/ came");
  assertEquals((await program.end()).code, 5);
});

Deno.test("a Program that is disposed of runs no more, also one that is stopped", async () => {
  const program = new Program(denoRun(PLAIN_PROGRAM, "hang"));
  await program.waitForOutput(/^up/m);
  assertEquals(isRunning(program.pid), true);
  if (Deno.build.os !== "windows") program.signal("SIGSTOP");
  await program[Symbol.asyncDispose]();
  assertEquals(isRunning(program.pid), false);
});
