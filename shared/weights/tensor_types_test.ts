import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { decodeBase64 } from "@std/encoding/base64.js";
import type { TensorType } from "./model_file.ts";
import {
  dequantise,
  supportedTensorTypes,
  TENSOR_TYPES,
  tensorByteLength,
  tensorTypeOfGgufId,
  unsupportedTypeName,
} from "./tensor_types.ts";
import vectors from "./testdata/dequantised.json" with { type: "json" };

function dequantised(type: TensorType, bytes: ArrayLike<number>, length: number): number[] {
  const out = new Float32Array(length);
  dequantise(type, Uint8Array.from(bytes), out);
  return [...out];
}

/** Little-endian F16: 1.0 is 0x3c00, 0.5 is 0x3800, -2.0 is 0xc000. */
const ONE = [0x00, 0x3c];
const HALF = [0x00, 0x38];
const MINUS_TWO = [0x00, 0xc0];

Deno.test("dequantise() reads F32, F16 and BF16 as they are", () => {
  assertEquals(dequantised("F32", [0, 0, 0xc0, 0x3f, 0, 0, 0, 0x80], 2), [1.5, -0]);
  assertEquals(dequantised("F16", [...HALF, ...MINUS_TWO, 0x01, 0x00], 3), [0.5, -2, 2 ** -24]);
  assertEquals(dequantised("BF16", [0xc0, 0x3f, 0x00, 0xff], 2), [1.5, -(2 ** 127)]);
});

Deno.test("dequantise() takes Q8_0 as scale times int8", () => {
  const quants = Array.from({ length: 32 }, (_, i) => i - 16);
  assertEquals(
    dequantised("Q8_0", [...HALF, ...quants.map((q) => q & 0xff)], 32),
    quants.map((q) => q / 2),
  );
});

Deno.test("dequantise() takes Q4_0 as scale times nibble minus 8, low nibbles first", () => {
  // Byte i holds i (weight i) and 15 - i (weight i + 16).
  const pairs = Array.from({ length: 16 }, (_, i) => i | ((15 - i) << 4));
  const expected = Array.from({ length: 32 }, (_, i) => (i < 16 ? i - 8 : 31 - i - 8) * -2);
  assertEquals(dequantised("Q4_0", [...MINUS_TWO, ...pairs], 32), expected);
});

Deno.test("dequantise() takes Q4_1 as scale times nibble plus minimum, block by block", () => {
  const pairs = Array.from({ length: 16 }, (_, i) => i | ((15 - i) << 4));
  const first = Array.from({ length: 32 }, (_, i) => (i < 16 ? i : 31 - i) * 0.5 - 2);
  const second = new Array(32).fill(0.5);
  assertEquals(
    dequantised(
      "Q4_1",
      [...HALF, ...MINUS_TWO, ...pairs, ...ONE, ...HALF, ...new Array(16).fill(0)],
      64,
    ),
    [...first, ...second],
  );
});

Deno.test("dequantise() finds Q6_K's nibbles, bit pairs and scales where they belong", () => {
  const block = new Uint8Array(210);
  block.set(ONE, 208);
  block.fill(1, 192, 208);
  const low = dequantised("Q6_K", block, 256);
  assertEquals(low, new Array(256).fill(-32));
  // Weight 128 + 70: second half, high nibble of low byte 64 + 6, bit pair 2 of high byte 32 + 6.
  block[64 + 6] = 0x50;
  block[128 + 32 + 6] = 0b11 << 4;
  // Its scale is number 8 + 70 / 16 = 12.
  block[192 + 12] = 0xfe;
  const values = dequantised("Q6_K", block, 256);
  assertEquals(values[128 + 70], -2 * ((0b110101) - 32));
  assertEquals(values[128 + 64], -2 * -32);
  assertEquals(values[128 + 6], -32);
});

for (const { type, bytes, values } of vectors.vectors) {
  Deno.test(`dequantise() gives the same ${type} values as the gguf package`, () => {
    const expected = new Float32Array(decodeBase64(values).buffer);
    const out = new Float32Array(expected.length);
    dequantise(type as TensorType, decodeBase64(bytes), out);
    assertEquals(out, expected);
  });
}

Deno.test("dequantise() reads a view that starts anywhere in its buffer", () => {
  const buffer = Uint8Array.from([9, 9, 9, ...HALF, ...MINUS_TWO]);
  const out = new Float32Array(2);
  dequantise("F16", buffer.subarray(3), out);
  assertEquals([...out], [0.5, -2]);
});

Deno.test("dequantise() refuses bytes and weights that do not belong together", () => {
  assertThrows(() => dequantised("Q8_0", new Array(33).fill(0), 32), RangeError, "34 bytes");
  assertThrows(() => dequantised("Q4_0", new Array(18).fill(0), 31), RangeError, "hold 32 weights");
});

Deno.test("tensorTypeOfGgufId() knows every supported type by its number", () => {
  for (const type of supportedTensorTypes()) {
    assertEquals(tensorTypeOfGgufId(TENSOR_TYPES[type].ggufId), type);
  }
  assertEquals(tensorTypeOfGgufId(12), undefined);
  assertEquals(unsupportedTypeName(12), "Q4_K");
  assertEquals(unsupportedTypeName(200), "number 200");
});

Deno.test("tensorByteLength() counts whole blocks", () => {
  assertEquals(tensorByteLength("Q4_1", 96), 60);
  assertEquals(tensorByteLength("Q6_K", 512), 420);
  assertThrows(() => tensorByteLength("Q6_K", 128), RangeError, "blocks hold 256 weights");
});
