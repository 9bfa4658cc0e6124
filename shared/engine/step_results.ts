/** Puts what a step computed back where its slices are. */

import type { SequenceSlice, SliceResult } from "./backend.ts";

/**
 * The result of each slice.
 * @param tokens of the slices that sample, in order
 * @param logits [vocab] of each row that was wanted, by row
 */
export function sliceResults(
  slices: readonly SequenceSlice[],
  tokens: Uint32Array,
  logits: ReadonlyMap<number, Float32Array>,
): SliceResult[] {
  let row = 0;
  let sampled = 0;
  return slices.map((slice): SliceResult => {
    const token = slice.sample ? tokens[sampled++] : null;
    const firstRow = row;
    row += slice.tokens.length;
    if (!slice.wantLogits) return { token };
    const rows = slice.tokens.map((_, i) => logits.get(firstRow + i) ?? new Float32Array());
    return { token, logits: concatenate(rows) };
  });
}

function concatenate(arrays: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const all = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}
