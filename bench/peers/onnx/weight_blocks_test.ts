import { assert, assertEquals, assertThrows } from "@std/assert/mod.js";
import { quantiseBlocks, type WeightBlocks } from "./weight_blocks.ts";

function dequantised({ quants, scales }: WeightBlocks, bits: 4 | 8): number[] {
  const quant = (i: number) => bits === 8 ? quants[i] : (quants[i >> 1] >> (4 * (i & 1))) & 15;
  return Array.from(
    { length: quants.length * 8 / bits },
    (_, i) => scales[i >> 5] * (quant(i) - 2 ** (bits - 1)),
  );
}

Deno.test("quantiseBlocks() keeps every weight within half a step of its block, in 4 and 8 bits", () => {
  const weights = Float32Array.from(
    { length: 64 },
    (_, i) => Math.sin(i * 1.7) * (i < 32 ? 1 : 100),
  );
  for (const bits of [4, 8] as const) {
    const blocks = quantiseBlocks(weights, bits);
    const restored = dequantised(blocks, bits);
    for (const [i, weight] of weights.entries()) {
      const step = Math.abs(blocks.scales[i >> 5]);
      // With 4 bits the largest weight has no partner of the other sign at the end of the range.
      const most = bits === 4 ? step : step / 2;
      assert(Math.abs(restored[i] - weight) <= most * 1.0001, `${bits} bits, weight ${i}`);
    }
  }
});

Deno.test("quantiseBlocks() gives the largest weight of a block exactly, and zeros", () => {
  for (const bits of [4, 8] as const) {
    const weights = new Float32Array(64);
    weights[3] = -127;
    const restored = dequantised(quantiseBlocks(weights, bits), bits);
    assertEquals(restored.map((value) => value + 0), [...weights]);
  }
});

Deno.test("quantiseBlocks() puts the even weight of a byte low", () => {
  const weights = new Float32Array(32);
  weights[0] = -8;
  weights[1] = 7;
  assertEquals(quantiseBlocks(weights, 4).quants[0], 0xf0);
});

Deno.test("quantiseBlocks() refuses weights that are not whole blocks", () => {
  assertThrows(() => quantiseBlocks(new Float32Array(33), 4), RangeError, "blocks hold 32");
});
