/** `start` as a process: what it refuses, and what it leaves behind. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { freePort } from "../kit/ports.ts";
import { denoRun, isRunning, Program, runProgram } from "../kit/program.ts";
import { eventually } from "../kit/waits.ts";

const START = "services/start.ts";
const IS_WINDOWS = Deno.build.os === "windows";
const FREE_PORTS = { DYN_TRACES_OTLP_PORT: "0", DYN_TRACES_QUERY_PORT: "0" };

interface Said {
  readonly code: number;
  readonly text: string;
}

async function start(args: readonly string[], env: Record<string, string> = {}): Promise<Said> {
  const { code, output, errors } = await runProgram(denoRun(START, ...args), {
    env: { ...FREE_PORTS, ...env },
  });
  return { code, text: output + errors };
}

Deno.test("start --help says how to use it", async () => {
  const { code, text } = await start(["--help"]);
  assertEquals(code, 0);
  assertStringIncludes(text, "--no-install");
});

Deno.test("start refuses wrong arguments and settings with one sentence and code 2", async () => {
  const usage = await start(["--modle", "x"]);
  assertEquals(usage, { code: 2, text: "Cannot use --modle: no such option; see --help\n" });
  const settings = await start([], { DYN_HTTP_PORT: "many" });
  assertEquals(settings.code, 2);
  assertMatch(settings.text, /^Cannot use DYN_HTTP_PORT="many": use a whole number.*\n$/);
});

Deno.test("start refuses a taken port with one sentence", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const { code, text } = await start(["--port", String(port)]);
  assertEquals(code, 1);
  assertMatch(text, new RegExp(`^Cannot listen on 127\\.0\\.0\\.1:${port}: .*--port.*\n$`));
});

Deno.test("start refuses a taken port of the traces with one sentence that names the flag", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = String(listener.addr.port);
  for (const name of ["DYN_TRACES_OTLP_PORT", "DYN_TRACES_QUERY_PORT"]) {
    const { code, text } = await start(["--port", "0"], { [name]: port });
    assertEquals(code, 1);
    assertMatch(text, new RegExp(`^Cannot keep traces at .*${port}: .*${name}.*--no-traces\n$`));
  }
});

Deno.test("start refuses a model that is not there with one sentence", async () => {
  const { code, text } = await start(["--port", "0", "--model", "/no/such/model.gguf"]);
  assertEquals(code, 1);
  assertStringIncludes(text, 'Cannot open model "/no/such/model.gguf": there is no such file.');
});

Deno.test("start warns of a variable that it does not know", async () => {
  const { text } = await start(["--port", "0", "--model", "/no/such"], { DYN_MODLE: "x" });
  assertStringIncludes(text, "DYN_MODLE is set, but Baton has no such variable");
});

Deno.test("doctor ends with code 1 and the reasons when something would stop Baton", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const { code, text } = await start(
    ["doctor", "--port", String(port), "--model", "/no/such.gguf"],
    { NATS_URL: `nats://127.0.0.1:${freePort()}` },
  );
  assertEquals(code, 1);
  assertMatch(text, /^STOP {2}nats {6}Cannot connect to NATS at .*correct `NATS_URL`/m);
  assertMatch(text, /^STOP {2}model {5}Cannot open model/m);
  assertMatch(text, /^STOP {2}ports {5}Another program listens at .*`--port` for the API/m);
  assertMatch(text, /^3 of these would stop Baton/m);
});

Deno.test("doctor tells wrong settings one by one", async () => {
  const { code, text } = await start(["doctor"], { DYN_HTTP_PORT: "x", DYN_TRACE_LEVEL: "9" });
  assertEquals(code, 1);
  assertEquals(text.match(/^STOP {2}settings/gm)?.length, 2);
});

Deno.test({
  name: "a start that is killed leaves no service and no program behind",
  ignore: IS_WINDOWS,
  fn: async () => {
    await using parent = new Program(denoRun("tests/kit/programs/launched_group.ts"));
    const [, ...pids] = (await parent.waitForOutput(/^up (\d+)\n[^]*^up (\d+)$/m)).map(Number);
    assertEquals(pids.map(isRunning), [true, true]);
    parent.signal("SIGKILL");
    // Orphans cannot be awaited, only looked at.
    await eventually(() => !pids.some(isRunning));
  },
});

Deno.test({
  name: "watchLauncher tells when the command that launched this process was killed",
  ignore: IS_WINDOWS,
  fn: async () => {
    // What npx does: a shell that waits for the command, and passes no signal on.
    const command = denoRun("tests/kit/programs/launched_program.ts");
    await using shell = new Program(["sh", "-c", '"$@"; true', "sh", ...command], {
      env: { INIT_CWD: "/" },
    });
    await shell.waitForOutput(/^up \d+$/m);
    shell.signal("SIGKILL");
    await shell.waitForOutput(/^launcher ended$/m);
  },
});

Deno.test({
  name: "start ends at the second Ctrl-C while a step of its preparation goes on",
  ignore: IS_WINDOWS,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const started = join(folder, "started");
    const program = join(folder, "nats-server");
    const script =
      `#!/bin/sh\necho $$ > ${started}.new && mv ${started}.new ${started}\nexec sleep 600\n`;
    await Deno.writeTextFile(program, script, { mode: 0o755 });
    await using child = new Program(denoRun(START, "--port", "0"), {
      env: { ...FREE_PORTS, NATS_URL: "", PATH: `${folder}:${Deno.env.get("PATH")}` },
    });
    const stuckPid = await pidIn(started);
    try {
      child.signal("SIGINT");
      await child.waitForOutput(/once more to stop at once/);
      child.signal("SIGINT");
      assertEquals((await child.end()).code, 0);
    } finally {
      Deno.kill(stuckPid, "SIGKILL");
      await Deno.remove(folder, { recursive: true });
    }
  },
});

/** The process id that a program writes to a file. */
async function pidIn(path: string): Promise<number> {
  let text = "";
  await eventually(async () => {
    text = await Deno.readTextFile(path).catch(() => "");
    return text !== "";
  });
  return Number(text);
}
