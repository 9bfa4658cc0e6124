/** `start` as a process: what it refuses, and what it leaves behind. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert/mod.js";
import { fromFileUrl, join } from "@std/path/mod.js";

const START = fromFileUrl(new URL("../../services/start.ts", import.meta.url));
const LAUNCHED_GROUP = fromFileUrl(new URL("../kit/launched_group.ts", import.meta.url));
const IS_WINDOWS = Deno.build.os === "windows";

interface Ended {
  readonly code: number;
  readonly text: string;
}

async function start(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", START, ...args],
    env: {
      NO_COLOR: "1",
      DYN_TRACES_OTLP_PORT: "0",
      DYN_TRACES_QUERY_PORT: "0",
      ...env,
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
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
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const gone = silent.addr.port;
  silent.close();
  const { code, text } = await start(
    ["doctor", "--port", String(port), "--model", "/no/such.gguf"],
    { NATS_URL: `nats://127.0.0.1:${gone}` },
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
    const parent = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", LAUNCHED_GROUP],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    const reader = parent.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (text.split("\n").length < 3) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`the group ended early: ${text}`);
      text += value;
    }
    const pids = text.trim().split("\n").map(Number);
    assertEquals(pids.every((pid) => pid > 0 && isRunning(pid)), true, text);
    parent.kill("SIGKILL");
    await parent.status;
    await reader.cancel();
    await Promise.all(pids.map(untilGone));
  },
});

Deno.test({
  name: "watchLauncher tells when the command that launched this process was killed",
  ignore: IS_WINDOWS,
  fn: async () => {
    const url = JSON.stringify(
      new URL("../../services/start/launcher_watch.ts", import.meta.url).href,
    );
    const script = await Deno.makeTempFile({ suffix: ".ts" });
    await Deno.writeTextFile(
      script,
      `import { watchLauncher } from ${url};
       watchLauncher(Deno.env.toObject(), () => { console.log("launcher ended"); Deno.exit(0); });
       console.log(Deno.pid);
       setInterval(() => {}, 1000);`,
    );
    // What npx does: a shell that waits for the command, and passes no signal on.
    const shell = new Deno.Command("sh", {
      args: ["-c", '"$0" run -A "$1"; true', Deno.execPath(), script],
      env: { INIT_CWD: "/" },
      stdin: "null",
      stdout: "piped",
    }).spawn();
    const reader = shell.stdout.pipeThrough(new TextDecoderStream()).getReader();
    assertMatch((await reader.read()).value ?? "", /^\d+\n$/);
    shell.kill("SIGKILL");
    await shell.status;
    assertEquals((await reader.read()).value, "launcher ended\n");
    await reader.cancel();
    await Deno.remove(script);
  },
});

function isRunning(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGCONT");
    return true;
  } catch {
    return false;
  }
}

/** An orphan cannot be awaited, only looked at. */
async function untilGone(pid: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (isRunning(pid)) {
    if (Date.now() > deadline) throw new Error(`process ${pid} outlived its parent`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test({
  name: "start ends at the second Ctrl-C while a step of its preparation goes on",
  ignore: IS_WINDOWS,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const started = join(folder, "started");
    await new Deno.Command("mkfifo", { args: [started] }).output();
    const program = join(folder, "nats-server");
    await Deno.writeTextFile(program, `#!/bin/sh\necho $$ > ${started}\nexec sleep 600\n`);
    await Deno.chmod(program, 0o755);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", START, "--port", "0"],
      env: {
        NO_COLOR: "1",
        NATS_URL: "",
        PATH: `${folder}:${Deno.env.get("PATH")}`,
        DYN_TRACES_OTLP_PORT: "0",
        DYN_TRACES_QUERY_PORT: "0",
      },
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const stuckPid = Number(await Deno.readTextFile(started));
    try {
      child.kill("SIGINT");
      const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      while (!text.includes("once more to stop at once")) {
        const { value, done } = await output.read();
        assertEquals(done, false, text);
        text += value;
      }
      child.kill("SIGINT");
      assertEquals((await child.status).code, 0);
      await output.cancel();
    } finally {
      Deno.kill(stuckPid, "SIGKILL");
      await Deno.remove(folder, { recursive: true });
    }
  },
});
