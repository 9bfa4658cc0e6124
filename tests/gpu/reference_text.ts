/**
 * What the F32 reference answers to the test prompts: the golden texts of every topology test.
 *
 * Nothing here is hand-made. The texts are computed on the CPU (a minute or two for SmolLM2 on two
 * cores) and kept in the user's cache under a key of everything they depend on: the model's digest,
 * the prompts' tokens and parameters, and the source of the reference itself.
 */

import { createHash } from "node:crypto";
import { join } from "@std/path/mod.js";
import type { SampleParameters } from "../../shared/engine/backend.ts";
import { withFileLock, writeFileAtomically } from "../../shared/download/mod.ts";
import { MAX_TOKENS } from "./prompts.ts";
import { testCacheDirectory, type TestModel } from "./test_model.ts";

/** A prompt as the reference and the backends get it. */
export interface TextJob {
  readonly name: string;
  readonly promptTokens: readonly number[];
  readonly sampling: SampleParameters;
  readonly maxTokens: number;
  readonly endIds: readonly number[];
}

/** The reference's answer. */
export interface ReferenceText {
  /** Up to MAX_TOKENS ids; the last one is an end token where the model ended. */
  readonly tokens: readonly number[];
  /** For each token the ids that a correct device may choose instead, itself included. */
  readonly admissible: readonly (readonly number[])[];
}

export type ReferenceTexts = ReadonlyMap<string, ReferenceText>;

/** What the worker is asked. */
export interface ReferenceRequest {
  readonly modelPath: string;
  readonly job: TextJob;
}

/** Modules whose text the golden texts depend on. */
const SOURCES = [
  "../../shared/engine/reference/layers.ts",
  "../../shared/engine/reference/reference_model.ts",
  "../../shared/engine/reference/weights.ts",
  "../../shared/engine/sampling/gumbel.ts",
  "../../shared/engine/sampling/sample_reference.ts",
  "../../shared/weights/tensor_types.ts",
  "./admissible_tokens.ts",
  "./reference_text_worker.ts",
];

const MAX_CACHED_BYTES = 1 << 24;

/** The jobs of a model's prompts, in their order. */
export function textJobs(model: TestModel): TextJob[] {
  return model.prompts.map((prompt) => ({
    name: prompt.name,
    promptTokens: model.promptTokens(prompt),
    sampling: prompt.sampling,
    maxTokens: MAX_TOKENS,
    endIds: model.tokenizer.endOfGenerationIds,
  }));
}

/** The reference's texts of a model's prompts by name, from the cache or computed now. */
export async function referenceTexts(model: TestModel): Promise<ReferenceTexts> {
  const jobs = textJobs(model);
  const path = join(testCacheDirectory(), "reference_texts", `${await cacheKey(model, jobs)}.json`);
  const texts = await withFileLock(path, async () => {
    const cached = await readCached(path);
    if (cached !== null) return cached;
    const computed = await computeTexts(model.resolved.path, jobs);
    const bytes = new TextEncoder().encode(JSON.stringify(computed));
    await writeFileAtomically(path, oneChunk(bytes), { maxBytes: MAX_CACHED_BYTES });
    return computed;
  });
  return new Map(jobs.map(({ name }, index) => [name, texts[index]]));
}

async function cacheKey(model: TestModel, jobs: readonly TextJob[]): Promise<string> {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([model.resolved.digest, jobs]));
  for (const source of SOURCES) {
    hash.update(await Deno.readTextFile(new URL(source, import.meta.url)));
  }
  return hash.digest("hex");
}

async function readCached(path: string): Promise<ReferenceText[] | null> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** One worker for each of at most two cores: each holds all weights in F32. */
async function computeTexts(
  modelPath: string,
  jobs: readonly TextJob[],
): Promise<ReferenceText[]> {
  const texts = new Array<ReferenceText>(jobs.length);
  const queue = [...jobs.entries()];
  const workers = Array.from({ length: Math.min(2, navigator.hardwareConcurrency) }, async () => {
    const worker = new Worker(new URL("./reference_text_worker.ts", import.meta.url), {
      type: "module",
    });
    try {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const [index, job] = next;
        texts[index] = await ask(worker, { modelPath, job });
      }
    } finally {
      worker.terminate();
    }
  });
  await Promise.all(workers);
  return texts;
}

function ask(worker: Worker, request: ReferenceRequest): Promise<ReferenceText> {
  const { promise, resolve, reject } = Promise.withResolvers<ReferenceText>();
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(`Cannot compute the reference's text: ${event.message}`));
  };
  worker.postMessage(request);
  return promise;
}

async function* oneChunk(bytes: Uint8Array) {
  yield bytes;
}
