import { assertEquals } from "@std/assert/mod.js";
import type { SampleParameters, SequenceSlice } from "./backend.ts";
import { sliceResults } from "./step_results.ts";

const GREEDY: SampleParameters = { temperature: 0, topK: 0, topP: 1, seed: 0 };

function slice(rows: number, options: Partial<SequenceSlice> = {}): SequenceSlice {
  const tokens = Array.from({ length: rows }, () => 1);
  return { blockTable: [0], startPosition: 0, tokens, sample: null, ...options };
}

Deno.test("sliceResults() gives tokens to the slices that sample, in order", () => {
  const slices = [slice(2), slice(1, { sample: GREEDY }), slice(3), slice(1, { sample: GREEDY })];
  const results = sliceResults(slices, new Uint32Array([7, 9]), new Map());
  assertEquals(results, [{ token: null }, { token: 7 }, { token: null }, { token: 9 }]);
});

Deno.test("sliceResults() joins the logits of a slice's rows", () => {
  const logits = new Map([
    [1, new Float32Array([1, 2])],
    [2, new Float32Array([3, 4])],
  ]);
  const slices = [slice(1, { sample: GREEDY }), slice(2, { wantLogits: true })];
  assertEquals(sliceResults(slices, new Uint32Array([5]), logits), [
    { token: 5 },
    { token: null, logits: new Float32Array([1, 2, 3, 4]) },
  ]);
});
