/** What stops `start` while it prepares: one sentence that says what to do, and nothing is left behind. */

import { assertEquals, assertMatch } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { FileServer } from "../kit/file_server.ts";
import { freePort } from "../kit/ports.ts";
import { denoRun, runProgram } from "../kit/program.ts";

/** A start with a cache and a folder for temporary files of its own. */
class Scene implements AsyncDisposable {
  readonly #folder: string;
  readonly cacheDir: string;
  readonly temporaryDir: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.cacheDir = join(folder, "cache");
    this.temporaryDir = join(folder, "tmp");
  }

  static async create(): Promise<Scene> {
    const scene = new Scene(await Deno.makeTempDir());
    await Deno.mkdir(scene.temporaryDir);
    return scene;
  }

  /** The only line that it prints beside what it is about to do. */
  async refusal(model: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
    const command = denoRun("services/start.ts", "--port", "0", "--model", model, "--no-traces");
    const { code, output, errors } = await runProgram(command, {
      env: {
        // Nobody is there, and the preparation fails before that is sure.
        NATS_URL: "nats://127.0.0.1:1",
        DYN_CACHE_DIR: this.cacheDir,
        DYN_DEVICE: "cpu",
        TMPDIR: this.temporaryDir,
        ...env,
      },
    });
    assertEquals([code, errors], [1, ""], output);
    const lines = output.trimEnd().split("\n")
      .filter((line) => !/^Connecting |^Fetching |^ {2}.*%$/.test(line));
    assertEquals(lines.length, 1, output);
    return lines[0]!;
  }

  async file(name: string, content: string): Promise<string> {
    const path = join(this.#folder, name);
    await Deno.writeTextFile(path, content);
    return path;
  }

  /** Files in the cache, locks apart, and everything among the temporary files. */
  async left(): Promise<string[]> {
    const cached = await filesBelow(this.cacheDir);
    return [
      ...cached.filter((path) => !path.endsWith(".lock")),
      ...await filesBelow(this.temporaryDir),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  const paths: string[] = [];
  try {
    for await (const entry of Deno.readDir(folder)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory) paths.push(...await filesBelow(path));
      else paths.push(path);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return paths;
}

Deno.test("start refuses a model file that is cut off or none", async () => {
  await using scene = await Scene.create();
  const cut = await scene.file("cut.gguf", "GGUF\x03\0\0\0\x10");
  assertMatch(await scene.refusal(cut), /^Cannot use model file .*cut\.gguf: .*too short/);
  const text = await scene.file("text.gguf", "This is the text of a page that says no.");
  assertMatch(await scene.refusal(text), /^Cannot use model file .*text\.gguf: it does not start/);
  assertEquals(await scene.left(), []);
});

Deno.test("start without a network says whom it could not reach", async () => {
  await using scene = await Scene.create();
  const nobody = `http://127.0.0.1:${freePort()}`;
  const mirrors = { npm_config_registry: nobody, PIP_INDEX_URL: `${nobody}/simple` };
  assertMatch(
    await scene.refusal("stories15m", mirrors),
    new RegExp(`^Cannot get model stories15m\\. .*Cannot reach ${nobody}/`),
  );
  assertEquals(await scene.left(), []);
});

Deno.test("start gives up a download that is cut off again and again, and keeps no part of it", async () => {
  await using scene = await Scene.create();
  await using server = new FileServer();
  server.files.set("/model.gguf", {
    body: "GGUF".repeat(10_000),
    faults: Array.from({ length: 9 }, () => ({ kind: "break", afterBytes: 20_000 })),
  });
  assertMatch(
    await scene.refusal(`${server.url}/model.gguf`),
    /^Cannot download .*model\.gguf: the connection keeps breaking/,
  );
  assertEquals(await scene.left(), []);
});

Deno.test("start names the setting where the cache cannot be written", async () => {
  await using scene = await Scene.create();
  const file = await scene.file("file", "no folder");
  assertMatch(
    await scene.refusal("stories15m", { DYN_CACHE_DIR: join(file, "cache") }),
    /^Cannot .*; set DYN_CACHE_DIR to a folder that can be written$/,
  );
  assertEquals(await scene.left(), []);
});
