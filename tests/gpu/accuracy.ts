/** Compares a backend's logits with the F32 reference's on the same weights, at every position. */

import { assert } from "@std/assert/mod.js";
import { BLOCK_TOKENS, type OpenBackend, type SequenceSlice } from "../../shared/engine/backend.ts";
import { ReferenceModel } from "../../shared/engine/reference/reference_model.ts";
import { TestModel, type TestModelName } from "./test_model.ts";
import { note } from "./test_notes.ts";

const PROMPTS = 10;

/** Fails where a logit of the model's first prompts is off by more than `tolerance`. */
export async function assertAccurate(
  open: OpenBackend,
  name: TestModelName,
  tolerance: number,
): Promise<void> {
  await using model = await TestModel.open(name);
  const reference = await ReferenceModel.load(model.file);
  await using backend = await open(model.file, {
    kvCacheTokens: 1024,
    maxRows: 256,
    maxSlices: 4,
  });
  let largest = 0;
  let positions = 0;
  for (const prompt of model.prompts.slice(0, PROMPTS)) {
    const tokens = model.promptTokens(prompt);
    const { slices } = await backend.step([wholePrompt(tokens)]);
    const logits = slices[0].logits!; // [tokens, vocab]
    const sequence = reference.newSequence();
    for (const [position, token] of tokens.entries()) {
      const vocab = model.file.shape.vocab;
      const row = logits.subarray(position * vocab, (position + 1) * vocab);
      const difference = largestDifference(row, sequence.forward(token));
      assert(
        difference <= tolerance,
        `prompt "${prompt.name}", position ${position}: logits differ by ${difference}`,
      );
      largest = Math.max(largest, difference);
      positions++;
    }
  }
  note(`largest difference over ${positions} positions: ${largest.toExponential(2)}`);
}

function wholePrompt(tokens: readonly number[]): SequenceSlice {
  const blocks = Math.ceil(tokens.length / BLOCK_TOKENS);
  return {
    blockTable: Array.from({ length: blocks }, (_, block) => block),
    startPosition: 0,
    tokens,
    sample: null,
    wantLogits: true,
  };
}

/** NaN counts as infinitely far. */
function largestDifference(a: Float32Array, b: Float32Array): number {
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i]);
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Infinity : difference;
  }
  return largest;
}
