/**
 * What `kernels/kernels.wasm` is made of, and whether it still is.
 *
 * The compiled module carries a digest of its sources, of the compiler's version and of its options
 * in a custom section, so that a module which does not belong to the sources beside it is seen
 * without a compiler.
 */

import { encodeHex } from "@std/encoding/hex.js";

/** The compiler, as npm has it. */
export const COMPILER = "assemblyscript@0.28.20";

/**
 * Options of the compiler. One module serves memories of any size. Level 3 would give each value a
 * variable of its own and move it to its use, so that the inner loops run out of registers.
 */
export const COMPILER_OPTIONS: readonly string[] = [
  "-O2",
  "--noAssert",
  "--runtime",
  "stub",
  "--use",
  "abort=",
  "--enable",
  "simd,relaxed-simd,threads",
  "--importMemory",
  "--sharedMemory",
  "--initialMemory",
  "1",
  "--maximumMemory",
  "65536",
];

/** The custom section that holds the digest. */
export const DIGEST_SECTION = "baton.sources";

const FOLDER = new URL("./kernels/", import.meta.url);
export const KERNELS_WASM = new URL("kernels.wasm", FOLDER);

/** The text of every source by its name without extension, in order of names. */
export async function readKernelSources(): Promise<ReadonlyMap<string, string>> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(FOLDER)) {
    if (entry.isFile && entry.name.endsWith(".as")) names.push(entry.name.slice(0, -3));
  }
  const sources = new Map<string, string>();
  for (const name of names.sort()) {
    sources.set(name, await Deno.readTextFile(new URL(`${name}.as`, FOLDER)));
  }
  return sources;
}

/** The digest that a module compiled from `sources` carries. */
export async function sourceDigest(sources: ReadonlyMap<string, string>): Promise<string> {
  const text = JSON.stringify([COMPILER, COMPILER_OPTIONS, [...sources]]);
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return encodeHex(new Uint8Array(hash));
}

/** Says what to do where the compiled module is missing or older than its sources; undefined where not. */
export async function kernelsProblem(): Promise<string | undefined> {
  const remedy = "run `deno task build-kernels`";
  const bytes = await Deno.readFile(KERNELS_WASM).catch(() => null);
  if (bytes === null) return `The CPU kernels are not built: ${remedy}`;
  const module = await WebAssembly.compile(bytes);
  const [section] = WebAssembly.Module.customSections(module, DIGEST_SECTION);
  const digest = section === undefined ? "" : new TextDecoder().decode(section);
  if (digest === await sourceDigest(await readKernelSources())) return undefined;
  return `The CPU kernels are not built from the sources beside them: ${remedy}`;
}
