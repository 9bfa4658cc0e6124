import { assertEquals, assertThrows } from "@std/assert/mod.js";
import type { SampleParameters, SequenceSlice } from "./backend.ts";
import { packRows, type RowBounds } from "./step_rows.ts";

const BOUNDS: RowBounds = {
  maxRows: 40,
  maxSlices: 3,
  totalBlocks: 10,
  vocab: 100,
  maxPositions: 64,
};
const GREEDY: SampleParameters = { temperature: 0, topK: 0, topP: 1, seed: 0 };

function slice(options: Partial<SequenceSlice>): SequenceSlice {
  return { blockTable: [0], startPosition: 0, tokens: [1], sample: null, ...options };
}

Deno.test("packRows() gives each row its token, position and block table", () => {
  const packed = packRows([
    slice({ blockTable: [7, 3], startPosition: 15, tokens: [11, 12] }),
    slice({ blockTable: [5], startPosition: 4, tokens: [13] }),
  ], BOUNDS);
  assertEquals(packed.rows, 3);
  assertEquals([...packed.records], [11, 15, 0, 0, 12, 16, 0, 0, 13, 4, 2, 0]);
  assertEquals([...packed.blockTables], [7, 3, 5]);
});

Deno.test("packRows() leaves out blocks past the slice's last position", () => {
  const packed = packRows([slice({ blockTable: [4, 5, 6], tokens: [1, 2] })], BOUNDS);
  assertEquals([...packed.blockTables], [4]);
});

Deno.test("packRows() lists the last row of slices that sample, and all rows that want logits", () => {
  const packed = packRows([
    slice({ tokens: [1, 2, 3], sample: GREEDY }),
    slice({ tokens: [4, 5], wantLogits: true }),
    slice({ tokens: [6], sample: GREEDY, wantLogits: true }),
  ], BOUNDS);
  assertEquals(packed.sampledRows, [2, 5]);
  assertEquals(packed.logitRows, [3, 4, 5]);
});

Deno.test("packRows() refuses steps that are empty or pass the backend's limits", () => {
  const long = Array.from({ length: 41 }, () => 1);
  const table = [0, 1, 2];
  const refusals: [SequenceSlice[], string][] = [
    [[], "it has no rows"],
    [[slice({ blockTable: table, tokens: long })], "it has 41 rows, and the backend takes 40"],
    [[slice({}), slice({}), slice({}), slice({})], "it has 4 slices, and the backend takes 3"],
    [[slice({}), slice({ tokens: [] })], "slice 1 has no tokens"],
  ];
  for (const [slices, reason] of refusals) {
    assertThrows(() => packRows(slices, BOUNDS), RangeError, `Cannot run a step: ${reason}`);
  }
});

Deno.test("packRows() refuses positions, blocks and tokens that do not exist", () => {
  const refusals: [Partial<SequenceSlice>, string][] = [
    [{ startPosition: -1 }, "slice 0 starts at position -1"],
    [{ startPosition: 0.5 }, "slice 0 starts at position 0.5"],
    [{ startPosition: 64 }, "slice 0 ends at position 65, and a sequence may have 64"],
    [{ startPosition: 16 }, "slice 0 needs 2 blocks, and its table has 1"],
    [{ blockTable: [10] }, "slice 0 names block 10 of 10"],
    [{ blockTable: [-1] }, "slice 0 names block -1 of 10"],
    [{ tokens: [1, 100] }, "slice 0 has token 100, and the vocabulary 100"],
    [{ tokens: [NaN] }, "slice 0 has token NaN"],
  ];
  for (const [options, reason] of refusals) {
    assertThrows(() => packRows([slice(options)], BOUNDS), RangeError, reason);
  }
});
