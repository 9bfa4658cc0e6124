import { assertEquals } from "@std/assert/mod.js";
import type { SequenceSlice } from "../backend.ts";
import { packStep, type StepBounds } from "./step_rows.ts";

const BOUNDS: StepBounds = {
  maxRows: 40,
  maxSlices: 3,
  totalBlocks: 10,
  vocab: 100,
  maxPositions: 64,
  attentionTile: 4,
};

function slice(options: Partial<SequenceSlice>): SequenceSlice {
  return { blockTable: [0], startPosition: 0, tokens: [1], sample: null, ...options };
}

Deno.test("packStep() groups neighbouring rows of a slice for attention, and leaves single rows alone", () => {
  const tokens = (count: number) => Array.from({ length: count }, () => 1);
  const packed = packStep([
    slice({ tokens: tokens(9) }),
    slice({ tokens: tokens(1) }),
    slice({ tokens: tokens(6) }),
  ], BOUNDS);
  assertEquals([...packed.rowTiles], [0, 4, 4, 4, 10, 4, 14, 2]);
  assertEquals([...packed.singleRows], [8, 1, 9, 1]);
});
