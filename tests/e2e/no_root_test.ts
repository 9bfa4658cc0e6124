/**
 * `task start` as a newcomer on a machine without a GPU has it: no root, no Vulkan driver, no package
 * manager, nothing in any cache. What it needs comes from the package registries.
 */

import { assertEquals, assertMatch } from "@std/assert/mod.js";
import { fromFileUrl, join } from "@std/path/mod.js";
import { isFile, readRegistries } from "../../shared/download/mod.ts";
import { within } from "../kit/waits.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
/** Who everybody is that is nobody else. */
const NOBODY = 65_534;
const REACH_TIMEOUT_MS = 10_000;
const READY_TIMEOUT_MS = 300_000;
const STOP_TIMEOUT_MS = 60_000;
const DIRECTORY_MODE = 0o755;
const PROGRAM_MODE = 0o755;
/** What would lead to caches, settings or drivers of whoever runs the tests. */
const OWN_VARIABLES = /^(?:BATON|DYN|NATS|OTEL|VK|XDG)_/;
const SMALL_MODEL = "stories15m";

Deno.test({
  name: "start without root, driver and cache answers its first token, and ends on Ctrl-C",
  ignore: Deno.build.os === "windows" || !await isRegistryReachable(),
  fn: async () => {
    await using newcomer = await Newcomer.create();
    const output = await newcomer.start();
    assertMatch(output, /^ {2}device {5}.+ \d+ cores?$/m);
    const url = /^ {2}frontend +(http:\S+)\/health/m.exec(output)?.[1];
    assertEquals(await firstText(`${url}/v1/completions`), ",");
    assertEquals(await newcomer.pressCtrlC(), 0);
    assertEquals(await newcomer.ownerOfCache(), Deno.uid() === 0 ? NOBODY : Deno.uid());
  },
});

/** The text of the first event of a stream. */
async function firstText(url: string): Promise<string> {
  const response = await fetch(url, {
    method: "POST",
    signal: AbortSignal.timeout(READY_TIMEOUT_MS),
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: SMALL_MODEL,
      prompt: "Once upon a time",
      max_tokens: 8,
      temperature: 0,
      stream: true,
    }),
  });
  let text = "";
  for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += part;
    const event = /^data: (\{.*\})$/m.exec(text)?.[1];
    if (event !== undefined) return JSON.parse(event).choices[0].text;
  }
  throw new Error(`no event came: status ${response.status} ${text}`);
}

async function isRegistryReachable(): Promise<boolean> {
  const { npm } = await readRegistries(Deno.env.toObject());
  try {
    await (await fetch(npm, { signal: AbortSignal.timeout(REACH_TIMEOUT_MS) })).body?.cancel();
    return true;
  } catch {
    return false;
  }
}

/** Somebody with a checkout and a `deno`, and nothing else. */
class Newcomer implements AsyncDisposable {
  readonly #folder: string;
  readonly #user: { readonly uid: number; readonly gid: number } | undefined;
  #process: Deno.ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #output = "";

  private constructor(folder: string) {
    this.#folder = folder;
    this.#user = Deno.uid() === 0 ? { uid: NOBODY, gid: NOBODY } : undefined;
  }

  static async create(): Promise<Newcomer> {
    const newcomer = new Newcomer(await Deno.makeTempDir({ prefix: "baton-newcomer-" }));
    try {
      await newcomer.#furnish();
      return newcomer;
    } catch (error) {
      await newcomer[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What `deno task start` says until all is ready. */
  async start(): Promise<string> {
    this.#process = new Deno.Command(join(this.#folder, "bin", "deno"), {
      args: ["task", "start", "--port", "0"],
      cwd: join(this.#folder, "checkout"),
      ...this.#user,
      clearEnv: true,
      env: await this.#environment(),
      // Ctrl-C reaches a whole group of processes.
      detached: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const { stdout, stderr, status } = this.#process;
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    const collect = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) {
        this.#output += text;
        if (/^Ctrl-C stops it\.$/m.test(this.#output)) resolve();
      }
    };
    this.#ended = Promise.all([collect(stdout), collect(stderr), status]).then(() => {
      this.#process = undefined;
      reject(new Error(`start ended before it was ready:\n${this.#output}`));
    });
    const seen = () => this.#output;
    await within("the readiness of start", ready, { timeoutMs: READY_TIMEOUT_MS, seen });
    return this.#output;
  }

  /** Returns the exit code. */
  async pressCtrlC(): Promise<number> {
    if (this.#process === undefined) throw new Error(`start has ended:\n${this.#output}`);
    const { pid, status } = this.#process;
    Deno.kill(-pid, "SIGINT");
    const seen = () => this.#output;
    await within("the end of start", this.#ended, { timeoutMs: STOP_TIMEOUT_MS, seen });
    return (await status).code;
  }

  /** Of what `start` has fetched. */
  async ownerOfCache(): Promise<number | null> {
    const { uid } = await Deno.stat(join(this.#folder, "home", ".cache", "baton", "npm"));
    return uid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process !== undefined) {
      Deno.kill(-this.#process.pid, "SIGKILL");
      await this.#ended;
    }
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #environment(): Promise<Record<string, string>> {
    const env = Deno.env.toObject();
    const kept = Object.entries(env).filter(([name]) => !OWN_VARIABLES.test(name));
    const { npm, pypi } = await readRegistries(env);
    const home = join(this.#folder, "home");
    const noDriver = join(home, "no-driver.json");
    return {
      ...Object.fromEntries(kept),
      HOME: home,
      XDG_CACHE_HOME: join(home, ".cache"),
      DENO_DIR: join(home, ".cache", "deno"),
      // No sudo, no apt, no vulkaninfo.
      PATH: join(this.#folder, "bin"),
      NPM_CONFIG_REGISTRY: npm,
      PIP_INDEX_URL: pypi,
      VK_DRIVER_FILES: noDriver,
      VK_ICD_FILENAMES: noDriver,
      NO_COLOR: "1",
      DYN_MODEL: SMALL_MODEL,
      DYN_TRACES_OTLP_PORT: "0",
      DYN_TRACES_QUERY_PORT: "0",
    };
  }

  /** A checkout, a home and a `deno`, all theirs. */
  async #furnish(): Promise<void> {
    const [checkout, home, bin] = ["checkout", "home", "bin"].map((it) => join(this.#folder, it));
    for (const directory of [checkout, home, bin]) await Deno.mkdir(directory);
    await copyTree(checkout);
    const deno = join(bin, "deno");
    await Deno.copyFile(Deno.execPath(), deno);
    await Deno.chmod(deno, PROGRAM_MODE);
    if (this.#user === undefined) return;
    await Deno.chmod(this.#folder, DIRECTORY_MODE);
    await giveTo(this.#folder, this.#user);
  }
}

/** Copies what git knows or would add, as it is now. */
async function copyTree(target: string): Promise<void> {
  const git = new Deno.Command("git", {
    args: ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    cwd: ROOT,
  });
  const { success, stdout, stderr } = await git.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  for (const path of new TextDecoder().decode(stdout).split("\0")) {
    if (path === "" || !await isFile(join(ROOT, path))) continue;
    await Deno.mkdir(join(target, path, ".."), { recursive: true });
    await Deno.copyFile(join(ROOT, path), join(target, path));
  }
}

async function giveTo(
  path: string,
  user: { readonly uid: number; readonly gid: number },
): Promise<void> {
  await Deno.chown(path, user.uid, user.gid);
  const { isDirectory } = await Deno.stat(path);
  if (!isDirectory) return;
  for await (const { name } of Deno.readDir(path)) await giveTo(join(path, name), user);
}
