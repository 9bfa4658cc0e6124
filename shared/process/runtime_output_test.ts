import { assert, assertEquals } from "@std/assert/mod.js";
import { denoRun, runProgram } from "../../tests/kit/program.ts";

/** What a process prints that does so: all of it JSON lines. */
async function run(deed: "says" | "throws" | "rejects" | "reports") {
  const command = denoRun("tests/kit/programs/noisy_process.ts", deed);
  const { code, output, errors } = await runProgram(command);
  assertEquals(output, "");
  const lines = errors.trim().split("\n").map((line) =>
    JSON.parse(line) as Record<string, unknown>
  );
  return { code, lines };
}

Deno.test("logRuntimeOutput writes what is said to the console as log lines", async () => {
  const { code, lines } = await run("says");
  assertEquals(code, 0);
  const said = lines.filter(({ target }) => target === "console");
  assertEquals(said.slice(0, 2).map(({ level, message }) => [level, message]), [
    ["INFO", "hello world { a: 1 }"],
    ["WARN", "two\nlines"],
  ]);
  assert(String(said[2]?.message).startsWith("TypeError: of a library\n    at "));
  assertEquals([said[3]?.message, said[3]?.warning], ["old", "DeprecationWarning"]);
  assertEquals(said.length, 4);
});

for (
  const [what, deed] of [
    ["is thrown", "throws"],
    ["is a rejection", "rejects"],
    ["is reported", "reports"],
  ] as const
) {
  Deno.test(`logRuntimeOutput logs an error that ${what} and ends spans and process`, async () => {
    const { code, lines } = await run(deed);
    assertEquals(code, 1);
    const error = lines.find(({ message }) => message === "uncaught error");
    assertEquals([error?.level, error?.error], ["ERROR", "lost"]);
    assert(String(error?.stack).includes("Error: lost"));
    const span = lines.find(({ message }) => message === "SPAN_CLOSED");
    assertEquals(span?.["shutdown.reason"], "uncaught error");
  });
}
