/** Builds llama.cpp's own bench program for this CPU, once, in the cache. */

import {
  cacheDirectory,
  DownloadError,
  isFile,
  readRegistries,
  withFileLock,
} from "../../shared/download/mod.ts";
import { say } from "../say.ts";
import { PeerMissing } from "./peer_missing.ts";
import { LLAMA_CPP_VERSION, llamaCppArchive } from "./llama_cpp_source.ts";

const PROGRAM = "llama-batched-bench";
const OFF = [
  "BUILD_SHARED_LIBS",
  "LLAMA_BUILD_TESTS",
  "LLAMA_BUILD_EXAMPLES",
  "LLAMA_BUILD_SERVER",
  "LLAMA_BUILD_APP",
  "LLAMA_BUILD_UI",
  "LLAMA_OPENSSL",
];

/** The program's path. Throws a PeerMissing where this machine cannot build it. */
export async function buildLlamaBench(): Promise<string> {
  if (Deno.build.os === "windows") throw missing("it is built on Linux and macOS only");
  const env = Deno.env.toObject();
  const cacheDir = cacheDirectory({ os: Deno.build.os, env, override: env.DYN_CACHE_DIR });
  const folder = `${cacheDir}/bench-peers/llama.cpp-${LLAMA_CPP_VERSION}`;
  const program = `${folder}/${PROGRAM}`;
  await Deno.mkdir(folder, { recursive: true });
  await withFileLock(program, async () => {
    if (await isFile(program)) return;
    const work = await Deno.makeTempDir({ dir: folder, prefix: "build-" });
    try {
      const archive = await llamaCppArchive({ cacheDir, registries: await readRegistries(env) });
      await run("tar", ["xzf", archive, "-C", work, "--strip-components=1"]);
      await build(work);
      await Deno.rename(`${work}/build/bin/${PROGRAM}`, program);
      await Deno.remove(archive);
    } catch (error) {
      if (error instanceof DownloadError) throw missing(error.message, error);
      throw error;
    } finally {
      await Deno.remove(work, { recursive: true });
    }
  });
  return program;
}

/** Ten minutes and more of two cores, so that others come first. */
async function build(source: string): Promise<void> {
  const options = OFF.map((name) => `-D${name}=OFF`);
  const release = ["-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON"];
  await run("cmake", ["-S", source, "-B", `${source}/build`, ...release, ...options]);
  say("Building llama.cpp's own bench program, once: ten minutes and more on two cores");
  const jobs = String(navigator.hardwareConcurrency);
  const target = ["--target", PROGRAM, "--parallel", jobs];
  await run("nice", ["-n", "19", "cmake", "--build", `${source}/build`, ...target]);
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const command = new Deno.Command(program, { args: [...args], stdin: "null" });
  try {
    const { success, stdout, stderr } = await command.output();
    if (success) return;
    const said = new TextDecoder().decode(stderr.length > 0 ? stderr : stdout).trim();
    throw missing(`${program} failed: ${said.split("\n").at(-1)}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw missing(`install cmake, a C++ compiler and ${program}`, error);
  }
}

function missing(reason: string, cause?: unknown): PeerMissing {
  return new PeerMissing(`Cannot measure llama.cpp's own bench program: ${reason}`, { cause });
}
