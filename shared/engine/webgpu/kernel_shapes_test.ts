import { assert, assertEquals } from "@std/assert/mod.js";
import {
  attentionTile,
  describeShapes,
  linearShape,
  NARROW_SHAPES,
  shapesFor,
  splitRows,
  WIDE_SHAPES,
} from "./kernel_shapes.ts";

Deno.test("splitRows() takes whole tiles first, then the smallest tile that holds the rest", () => {
  const tiles = [1, 2, 4];
  assertEquals(splitRows(1, tiles), [{ tile: 1, count: 1, start: 0 }]);
  assertEquals(splitRows(2, tiles), [{ tile: 2, count: 1, start: 0 }]);
  assertEquals(splitRows(3, tiles), [{ tile: 4, count: 1, start: 0 }]);
  assertEquals(splitRows(8, tiles), [{ tile: 4, count: 2, start: 0 }]);
  assertEquals(splitRows(9, tiles), [
    { tile: 4, count: 2, start: 0 },
    { tile: 1, count: 1, start: 8 },
  ]);
  assertEquals(splitRows(0, tiles), []);
});

Deno.test("splitRows() covers every row once, for any count", () => {
  for (const { tiles } of [NARROW_SHAPES, WIDE_SHAPES]) {
    for (let rows = 1; rows < 70; rows++) {
      let next = 0;
      for (const { tile, count, start } of splitRows(rows, tiles)) {
        assertEquals(start, next);
        assert(tiles.includes(tile));
        next = start + tile * count;
      }
      assert(next >= rows && next < rows + Math.max(...tiles));
    }
  }
});

Deno.test("linearShape() keeps the lanes of a weight row whatever the tile", () => {
  for (const shapes of [NARROW_SHAPES, WIDE_SHAPES]) {
    for (const units of [1, 18, 48, 128]) {
      const lanes = shapes.tiles.map((tile) =>
        linearShape(shapes, { format: "q4_offset", units, tile }).lanes
      );
      assertEquals(new Set(lanes).size, 1);
      assertEquals(shapes.workgroup % lanes[0], 0);
    }
  }
});

Deno.test("linearShape() reduces between lanes on GPUs only", () => {
  const matrix = { format: "q8", units: 18, tile: 4 } as const;
  assertEquals(linearShape(NARROW_SHAPES, matrix).lanes, 1);
  assert(linearShape(WIDE_SHAPES, matrix).lanes > 1);
});

Deno.test("attentionTile() takes fewer rows where more heads share a key", () => {
  const tile = (heads: number, kvHeads: number, headDim: number) =>
    [NARROW_SHAPES, WIDE_SHAPES].map((shapes) =>
      attentionTile(shapes, { heads, kvHeads, headDim })
    );
  assertEquals(tile(6, 6, 48), [4, 4]);
  assertEquals(tile(9, 3, 64), [2, 4]);
  assertEquals(tile(32, 4, 64), [1, 4]);
  assertEquals(tile(64, 4, 128), [1, 1]);
});

Deno.test("lanes that share a weight row have it contiguous", () => {
  assertEquals(new Set(Object.values(WIDE_SHAPES.rowsTogether)), new Set([1]));
});

Deno.test("shapesFor() gives software adapters narrow kernels", () => {
  assertEquals(shapesFor({ isSoftware: true }), NARROW_SHAPES);
  assertEquals(shapesFor({ isSoftware: false }), WIDE_SHAPES);
  assertEquals(describeShapes(NARROW_SHAPES), "narrow kernels, workgroup 8, row tiles 1/2/3");
});
