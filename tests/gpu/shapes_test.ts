/** The WebGPU backend on models of many shapes, with the kernels of either family of adapters. */

import { assertEquals } from "@std/assert/mod.js";
import { openWebgpuBackend } from "../../shared/engine/webgpu/backend.ts";
import { NARROW_SHAPES, WIDE_SHAPES } from "../../shared/engine/webgpu/kernel_shapes.ts";
import {
  assertLogitsClose,
  blocks,
  logitsOf,
  referenceLogits,
  slice,
  tokensOf,
} from "../kit/backend_slices.ts";
import { gpuTest } from "./gpu_tests.ts";
import { HEAD_SHAPES, modelOf } from "./head_shapes.ts";

/** Of the largest logit. */
const TOLERANCE = 1e-4;
const TOKENS = 40;
const STEPS = [33, 1, 2, 4];

for (const shape of HEAD_SHAPES) {
  const { kvHeads, sharing, headDim, type } = shape;
  const name = `${kvHeads} x ${sharing} heads of ${headDim}, ${type}`;
  gpuTest(
    `step() with ${name} equals the reference, and a row has the same bits however it runs`,
    async () => {
      const model = modelOf(shape);
      const { vocab } = model.shape;
      const tokens = tokensOf(TOKENS, 3, vocab);
      const expected = await referenceLogits(model, tokens);
      for (const shapes of [NARROW_SHAPES, WIDE_SHAPES]) {
        const options = { kvCacheTokens: 512, maxRows: TOKENS, maxSlices: 4, shapes };
        await using backend = await openWebgpuBackend(model, options);
        const whole = await logitsOf(backend, slice(tokens));
        assertLogitsClose(whole, expected, TOLERANCE);
        let at = 0;
        for (const rows of STEPS) {
          const part = { blockTable: blocks(1), startPosition: at };
          const found = await logitsOf(backend, slice(tokens.slice(at, at + rows), part));
          assertEquals(found, whole.slice(at * vocab, (at + rows) * vocab), `from ${at}`);
          at += rows;
        }
      }
    },
  );
}
