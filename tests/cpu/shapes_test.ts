/** The CPU backend on models of many shapes: any number of heads that share keys and values, odd sizes. */

import { assertEquals } from "@std/assert/mod.js";
import { type CpuBackendOptions, openCpuBackend } from "../../shared/engine/cpu/backend.ts";
import type { ModelFile, TensorType } from "../../shared/weights/model_file.ts";
import { TENSOR_TYPES } from "../../shared/weights/tensor_types.ts";
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

interface HeadShape {
  readonly kvHeads: number;
  /** Heads that share keys and values. */
  readonly sharing: number;
  readonly headDim: number;
  readonly type: TensorType;
  readonly layers?: number;
  readonly hidden?: number;
  readonly feedForward?: number;
  readonly vocab?: number;
}

const SHAPES: readonly HeadShape[] = [
  { kvHeads: 1, sharing: 1, headDim: 64, type: "Q8_0", vocab: 41 },
  { kvHeads: 3, sharing: 1, headDim: 48, type: "F16", layers: 2 },
  { kvHeads: 2, sharing: 2, headDim: 80, type: "Q4_0", vocab: 33, hidden: 96 },
  { kvHeads: 3, sharing: 3, headDim: 32, type: "Q4_1", layers: 2 },
  { kvHeads: 2, sharing: 4, headDim: 20, type: "Q8_0", vocab: 9, layers: 3 },
  { kvHeads: 1, sharing: 5, headDim: 128, type: "Q4_1" },
  { kvHeads: 5, sharing: 6, headDim: 12, type: "BF16", hidden: 36, feedForward: 52 },
  { kvHeads: 2, sharing: 7, headDim: 16, type: "Q4_0", vocab: 7 },
  { kvHeads: 1, sharing: 8, headDim: 256, type: "Q6_K", hidden: 256, feedForward: 256 },
  { kvHeads: 1, sharing: 16, headDim: 4, type: "F32", hidden: 20, vocab: 50 },
];

for (const shape of SHAPES) {
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

function modelOf({ kvHeads, sharing, headDim, type, ...rest }: HeadShape): ModelFile {
  const heads = kvHeads * sharing;
  const size = { layers: 1, hidden: 64, feedForward: 96, vocab: 75, ...rest };
  return tinyModel({ type, shape: { ...size, heads, kvHeads, headDim, ropeDim: headDim } });
}

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
