/** What the tests of every backend ask of it. */

import { assert, assertEquals } from "@std/assert/mod.js";
import type { Backend, SequenceSlice } from "../../shared/engine/backend.ts";
import { ReferenceModel } from "../../shared/engine/reference/reference_model.ts";
import type { ModelFile } from "../../shared/weights/model_file.ts";

/** Token ids that look like none in particular. */
export function tokensOf(count: number, seed: number, vocab: number): number[] {
  return Array.from({ length: count }, (_, i) => (seed + i * i * 31 + i * 7) % vocab);
}

/** Eight scattered blocks that no other `first` shares. */
export function blocks(first: number): number[] {
  return [5, 2, 7, 0, 3, 6, 1, 4].map((block) => first * 8 + block);
}

/** A slice from position 0 that samples nothing. */
export function slice(
  tokens: readonly number[],
  options: Partial<SequenceSlice> = {},
): SequenceSlice {
  return { blockTable: blocks(0), startPosition: 0, tokens, sample: null, ...options };
}

/** Logits of every row of a slice that runs alone. */
export async function logitsOf(backend: Backend, part: SequenceSlice): Promise<Float32Array> {
  const { slices: [result] } = await backend.step([{ ...part, wantLogits: true }]);
  return result.logits!;
}

/** The F32 reference's logits after every token. */
export async function referenceLogits(
  model: ModelFile,
  tokens: readonly number[],
): Promise<Float32Array> {
  const sequence = (await ReferenceModel.load(model)).newSequence();
  return Float32Array.from(tokens.flatMap((token) => Array.from(sequence.forward(token))));
}

/** `tolerance` is a share of the largest logit. */
export function assertLogitsClose(
  actual: Float32Array,
  expected: Float32Array,
  tolerance: number,
): void {
  assertEquals(actual.length, expected.length);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (const [i, value] of expected.entries()) {
    const error = Math.abs(actual[i] - value);
    assert(error <= tolerance * largest, `logit ${i} is ${actual[i]}, not ${value}`);
  }
}
