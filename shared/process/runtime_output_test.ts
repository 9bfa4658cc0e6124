import { assert, assertEquals } from "@std/assert/mod.js";
import { fromFileUrl } from "@std/path/mod.js";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));

/** What a process with a span of its own prints: all of it JSON lines. */
async function run(source: string) {
  const program = `
    import process from "node:process";
    import { logRuntimeOutput } from "./shared/process/runtime_output.ts";
    import { startTelemetry } from "./shared/telemetry/mod.ts";
    import { telemetryTestOptions } from "./tests/kit/telemetry_options.ts";
    const telemetry = startTelemetry(telemetryTestOptions("http://127.0.0.1:9/v1/traces", {
      exportEnabled: false, logFilter: "info", logSpanEvents: true,
    }));
    logRuntimeOutput(telemetry, 1000);
    telemetry.rootSpan("worker_start");
    ${source}`;
  const command = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--ext=ts", program],
    cwd: ROOT,
    stdout: "piped",
    stderr: "piped",
  });
  const { code, stdout, stderr } = await command.output();
  assertEquals(new TextDecoder().decode(stdout), "");
  const lines = new TextDecoder().decode(stderr).trim().split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { code, lines };
}

Deno.test("logRuntimeOutput writes what is said to the console as log lines", async () => {
  const { code, lines } = await run(`
    console.log("hello %s", "world", { a: 1 });
    console.warn("two\\nlines");
    console.error(new TypeError("of a library"));
    console.debug("not at this level");
    process.emitWarning("old", "DeprecationWarning");`);
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
  const [what, source] of [
    ["is thrown", `setTimeout(() => { throw new Error("lost"); });`],
    ["is a rejection", `Promise.reject(new Error("lost"));`],
    ["is reported", `reportError(new Error("lost"));`],
  ] as const
) {
  Deno.test(`logRuntimeOutput logs an error that ${what} and ends spans and process`, async () => {
    const { code, lines } = await run(`${source} setTimeout(() => {}, 60_000);`);
    assertEquals(code, 1);
    const error = lines.find(({ message }) => message === "uncaught error");
    assertEquals([error?.level, error?.error], ["ERROR", "lost"]);
    assert(String(error?.stack).includes("Error: lost"));
    const span = lines.find(({ message }) => message === "SPAN_CLOSED");
    assertEquals(span?.["shutdown.reason"], "uncaught error");
  });
}
