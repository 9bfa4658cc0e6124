/** llama2.c's model and tokenizer, kept in the cache as one GGUF file. */

import { join } from "@std/path/mod.js";
import {
  fileSha256,
  isFile,
  removeIfPresent,
  withFileLock,
  writeFileAtomically,
  writeTextAtomically,
} from "../../download/mod.ts";
import { convertLlama2c } from "../llama2c.ts";
import type { Llama2cEntry } from "./catalogue.ts";

/** Part of the file's name, so that a changed conversion does not meet old results. */
const CONVERSION_VERSION = 1;

export interface Llama2cSource {
  readonly alias: string;
  readonly entry: Llama2cEntry;
  readonly cacheDir: string;
  /** Fetches the file that holds both parts; called only when there is no converted file yet. */
  readonly fetchData: () => Promise<string>;
  readonly signal?: AbortSignal;
}

export interface ConvertedModel {
  readonly path: string;
  readonly digest: string;
}

/** The converted file, made when it is missing or no longer what was written. */
export async function convertedLlama2c(source: Llama2cSource): Promise<ConvertedModel> {
  const { alias, entry, cacheDir } = source;
  const folder = join(cacheDir, "converted");
  const path = join(
    folder,
    `${alias}-${entry.sha256.slice(0, 16)}-v${CONVERSION_VERSION}.gguf`,
  );
  const digestPath = `${path}.sha256`;
  return await withFileLock(path, async () => {
    if (await isFile(path) && await isFile(digestPath)) {
      const digest = await fileSha256(path);
      if (digest === await Deno.readTextFile(digestPath)) return { path, digest };
    }
    const dataPath = await source.fetchData();
    const modelPath = `${path}.model.bin`;
    const tokenizerPath = `${path}.tokenizer.bin`;
    try {
      await copySpan(dataPath, modelPath, { start: 0, end: entry.modelBytes });
      await copySpan(dataPath, tokenizerPath, { start: entry.modelBytes, end: Infinity });
      await convertLlama2c({ modelPath, tokenizerPath, outputPath: path, name: alias });
    } finally {
      await removeIfPresent(modelPath);
      await removeIfPresent(tokenizerPath);
    }
    const digest = await fileSha256(path);
    await writeTextAtomically(digestPath, digest);
    await removeIfPresent(dataPath);
    return { path, digest };
  }, source);
}

async function copySpan(
  from: string,
  to: string,
  span: { readonly start: number; readonly end: number },
): Promise<void> {
  await writeFileAtomically(to, readSpan(from, span), { maxBytes: Number.MAX_SAFE_INTEGER });
}

async function* readSpan(
  path: string,
  { start, end }: { readonly start: number; readonly end: number },
): AsyncGenerator<Uint8Array> {
  using file = await Deno.open(path);
  await file.seek(start, Deno.SeekMode.Start);
  const buffer = new Uint8Array(1 << 20);
  for (let left = end - start; left > 0;) {
    const count = await file.read(buffer.subarray(0, Math.min(buffer.length, left)));
    if (count === null) return;
    left -= count;
    yield buffer.subarray(0, count);
  }
}
