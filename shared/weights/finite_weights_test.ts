import { assertEquals } from "@std/assert/mod.js";
import { findNotFinite } from "./finite_weights.ts";
import type { TensorType } from "./model_file.ts";
import { dequantise, supportedTensorTypes, TENSOR_TYPES } from "./tensor_types.ts";

const BLOCKS = 3;

/** Blocks of `type` whose byte `at` of block 1 is `value`; all else is as low as it can be. */
function blocks(type: TensorType, at: number, value: number): Uint8Array {
  const { bytesPerBlock } = TENSOR_TYPES[type];
  const bytes = new Uint8Array(BLOCKS * bytesPerBlock);
  bytes[bytesPerBlock + at] = value;
  return bytes;
}

function areFinite(type: TensorType, bytes: Uint8Array): boolean {
  const weights = new Float32Array(BLOCKS * TENSOR_TYPES[type].blockSize);
  dequantise(type, bytes, weights);
  return weights.every(Number.isFinite);
}

for (const type of supportedTensorTypes()) {
  Deno.test(`findNotFinite() finds in ${type} what dequantise() makes no finite number of`, () => {
    const { bytesPerBlock } = TENSOR_TYPES[type];
    let found = 0;
    for (let at = 0; at < bytesPerBlock; at++) {
      for (const value of [0x7c, 0x7d, 0x7e, 0x7f, 0x80, 0xfc, 0xff]) {
        const bytes = blocks(type, at, value);
        // The other byte of a float may be the one that fills the exponent.
        if (at > 0) bytes[bytesPerBlock + at - 1] = 0x80;
        const expected = areFinite(type, bytes) ? -1 : bytesPerBlock;
        assertEquals(findNotFinite(type, bytes), expected, `byte ${at}, value ${value}`);
        if (expected >= 0) found++;
      }
    }
    assertEquals(found > 0, true);
  });
}

Deno.test("findNotFinite() tells the first block, in a part of a larger buffer too", () => {
  const whole = new Uint8Array(1 + 4 * 20);
  const bytes = whole.subarray(1);
  // The minimum of block 1, the scale of block 2.
  bytes.set([0x00, 0x7c], 20 + 2);
  bytes.set([0x00, 0xfe], 40);
  assertEquals(findNotFinite("Q4_1", bytes), 20);
  assertEquals(findNotFinite("Q4_1", bytes.subarray(40)), 0);
  assertEquals(findNotFinite("Q4_1", bytes.subarray(60)), -1);
});
