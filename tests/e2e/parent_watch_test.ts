import { assertEquals } from "@std/assert/mod.js";
import { fromFileUrl } from "@std/path/mod.js";
import { PARENT_WATCH_FLAG } from "../../shared/provision/parent_watch.ts";

const IS_WINDOWS = Deno.build.os === "windows";

/** A child with a pipe as standard input, and its lines. */
class Child {
  readonly process: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  #rest = "";

  constructor(args: readonly string[]) {
    this.process = new Deno.Command(Deno.execPath(), {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#lines = this.process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  async line(): Promise<string> {
    while (!this.#rest.includes("\n")) {
      const { value, done } = await this.#lines.read();
      if (done) return this.#rest;
      this.#rest += value;
    }
    const [line = ""] = this.#rest.split("\n", 1);
    this.#rest = this.#rest.slice(line.length + 1);
    return line;
  }

  /** What the death of the parent does. */
  async closeInput(): Promise<void> {
    await this.process.stdin.close();
  }

  async end(): Promise<Deno.CommandStatus> {
    const status = await this.process.status;
    await this.#lines.cancel();
    return status;
  }
}

async function withScript<T>(text: string, body: (path: string) => Promise<T>): Promise<T> {
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(path, text);
    return await body(path);
  } finally {
    await Deno.remove(path);
  }
}

const WATCH_URL = new URL("../../shared/provision/parent_watch.ts", import.meta.url).href;
const SERVICE = `
  import { exitWithParent } from ${JSON.stringify(WATCH_URL)};
  exitWithParent({ args: Deno.args, drainTimeMs: 200 });
  const keepAlive = setInterval(() => {}, 1000);
  Deno.addSignalListener("SIGTERM", () => {
    console.log("draining");
    if (!Deno.args.includes("hang")) Deno.exit(7);
  });
  console.log("up");
`;

Deno.test({
  name: "exitWithParent lets the service drain when its parent is gone",
  ignore: IS_WINDOWS,
  fn: () =>
    withScript(SERVICE, async (path) => {
      const child = new Child(["run", "-A", path, PARENT_WATCH_FLAG]);
      assertEquals(await child.line(), "up");
      await child.closeInput();
      assertEquals(await child.line(), "draining");
      assertEquals((await child.end()).code, 7);
    }),
});

Deno.test({
  name: "exitWithParent ends a service that does not drain in time",
  ignore: IS_WINDOWS,
  fn: () =>
    withScript(SERVICE, async (path) => {
      const child = new Child(["run", "-A", path, PARENT_WATCH_FLAG, "hang"]);
      assertEquals(await child.line(), "up");
      await child.closeInput();
      assertEquals((await child.end()).code, 1);
    }),
});

Deno.test({
  name: "exitWithParent without its flag leaves a service alone that was started by hand",
  ignore: IS_WINDOWS,
  fn: () =>
    withScript(SERVICE, async (path) => {
      const child = new Child(["run", "-A", path]);
      assertEquals(await child.line(), "up");
      await child.closeInput();
      child.process.kill("SIGTERM");
      assertEquals(await child.line(), "draining");
      assertEquals((await child.end()).code, 7);
    }),
});

const WRAPPER = fromFileUrl(new URL("../../shared/provision/run_with_parent.ts", import.meta.url));
/** A program that knows nothing of its parent. */
const PROGRAM = `
  Deno.addSignalListener("SIGTERM", () => {
    console.log("term");
    if (!Deno.args.includes("hang")) Deno.exit(0);
  });
  setInterval(() => {}, 1000);
  console.log(Deno.pid);
  if (Deno.args.includes("end")) Deno.exit(5);
`;

function wrapped(path: string, ...args: string[]): Child {
  return new Child(["run", "-A", WRAPPER, "200", Deno.execPath(), "run", "-A", path, ...args]);
}

function isAlive(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGCONT");
    return true;
  } catch {
    return false;
  }
}

Deno.test({
  name: "run_with_parent ends its program when the parent is gone",
  ignore: IS_WINDOWS,
  fn: () =>
    withScript(PROGRAM, async (path) => {
      const child = wrapped(path);
      const pid = Number(await child.line());
      await child.closeInput();
      assertEquals(await child.line(), "term");
      assertEquals((await child.end()).code, 0);
      assertEquals(isAlive(pid), false);
    }),
});

Deno.test({
  name: "run_with_parent kills a program that ignores SIGTERM",
  ignore: IS_WINDOWS,
  fn: () =>
    withScript(PROGRAM, async (path) => {
      const child = wrapped(path, "hang");
      const pid = Number(await child.line());
      child.process.kill("SIGTERM");
      assertEquals(await child.line(), "term");
      await child.end();
      assertEquals(isAlive(pid), false);
    }),
});

Deno.test("run_with_parent ends with the exit code of its program", () =>
  withScript(PROGRAM, async (path) => {
    const child = wrapped(path, "end");
    assertEquals((await child.end()).code, 5);
    await child.closeInput();
  }));
