/** The CPU backend on models of many shapes: heads that share keys and values in any number, odd sizes. */

import { assertEquals } from "@std/assert/mod.js";
import { type CpuBackendOptions, openCpuBackend } from "../../shared/engine/cpu/backend.ts";
import type { ModelFile } from "../../shared/weights/model_file.ts";
import { TENSOR_TYPES } from "../../shared/weights/tensor_types.ts";
import { HEAD_SHAPES, modelOf } from "../gpu/head_shapes.ts";
import { tinyModel } from "../gpu/tiny_model.ts";
import {
  assertLogitsClose,
  logitsOf,
  referenceLogits,
  slice,
  tokensOf,
} from "../kit/backend_slices.ts";

/** Of the largest logit. Where a softmax hangs on one score, activations in 16 bits count a hundredfold. */
const TOLERANCES = { floats: 1e-5, quantised: 5e-3 };
/** Positions of a context of two chunks. */
const TOKENS = 150;
/** Positions computed one to four rows a step. */
const LAST_STEPS = [1, 2, 3, 4, 1];

for (const shape of HEAD_SHAPES) {
  const { kvHeads, sharing, headDim, type } = shape;
  const name = `${kvHeads} x ${sharing} heads of ${headDim}, ${type}`;
  Deno.test(`step() with ${name} equals the reference, and a row has the same bits however it runs`, async () => {
    const model = modelOf(shape);
    const { vocab } = model.shape;
    const tokens = tokensOf(TOKENS, 3, vocab);
    const whole = await logitsInSteps(model, [TOKENS], { threads: 3 });
    const tolerance = TOLERANCES[TENSOR_TYPES[type].blockSize > 1 ? "quantised" : "floats"];
    assertLogitsClose(whole, await referenceLogits(model, tokens), tolerance);
    const first = TOKENS - LAST_STEPS.reduce((sum, rows) => sum + rows, 0);
    for (const [threads, hasByteDot] of [[1, undefined], [3, false], [2, undefined]] as const) {
      const steps = [first, ...LAST_STEPS];
      const found = await logitsInSteps(model, steps, { threads, hasByteDot });
      assertEquals(found, whole, `${threads} threads`);
    }
  });
}

Deno.test("openCpuBackend() takes steps of one row and contexts shorter than a block", async () => {
  const cases = [
    { options: { maxRows: 1, maxSlices: 4 }, contextLength: 512 },
    { options: { maxRows: 2, maxSlices: 1 }, contextLength: 512 },
    { options: { maxRows: 32, maxSlices: 4 }, contextLength: 5 },
  ];
  for (const { options, contextLength } of cases) {
    const model = tinyModel({ type: "F32", shape: { contextLength } });
    const tokens = tokensOf(5, 3, model.shape.vocab);
    const expected = await referenceLogits(model, tokens);
    const found = await logitsInSteps(model, [1, 1, 1, 1, 1], options);
    assertLogitsClose(found, expected, TOLERANCES.floats);
  }
});

/** Logits of all rows of a sequence that is computed `steps` rows at a time. */
async function logitsInSteps(
  model: ModelFile,
  steps: readonly number[],
  options: Partial<CpuBackendOptions>,
): Promise<Float32Array> {
  await using backend = await openCpuBackend(model, {
    kvCacheTokens: 256,
    maxRows: TOKENS,
    maxSlices: 4,
    ...options,
  });
  const { vocab } = model.shape;
  const total = steps.reduce((sum, rows) => sum + rows, 0);
  const tokens = tokensOf(total, 3, vocab);
  const blockTable = [5, 2, 7, 0, 3, 14, 1, 4, 13, 9];
  const logits = new Float32Array(total * vocab);
  let at = 0;
  for (const rows of steps) {
    const part = slice(tokens.slice(at, at + rows), { blockTable, startPosition: at });
    logits.set(await logitsOf(backend, part), at * vocab);
    at += rows;
  }
  return logits;
}
