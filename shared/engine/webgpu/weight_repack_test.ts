import { assert, assertEquals } from "@std/assert/mod.js";
import { supportedTensorTypes } from "../../weights/tensor_types.ts";
import type { TensorType } from "../../weights/model_file.ts";
import { testTensor } from "./test_tensor.ts";
import { formatOf, type RowLayout, rowLayout } from "./weight_format.ts";
import { interleaveRows, repack, type RepackTarget } from "./weight_repack.ts";

function repacked(type: TensorType, rows: number, columns: number) {
  const tensor = testTensor(type, [rows, columns], 1);
  const layout = rowLayout(formatOf(type), columns, 1);
  const target: RepackTarget = {
    quants: new Uint8Array(rows * layout.quantBytes),
    scales: new Float32Array(rows * layout.scaleBytes / 4),
  };
  repack(type, tensor.bytes, target);
  return { tensor, layout, target };
}

/** What the kernels make of weight `index`, in plain TypeScript. */
function weightAt(index: number, layout: RowLayout, { quants, scales }: RepackTarget): number {
  const view = new DataView(quants.buffer);
  const unit = Math.floor(index / layout.unitWeights);
  const within = index % layout.unitWeights;
  const nibbles = quants[unit * 16 + within % 16];
  const nibble = within < 16 ? nibbles & 15 : nibbles >> 4;
  switch (layout.format) {
    case "f32":
      return view.getFloat32(index * 4, true);
    case "f16":
      return view.getFloat16(index * 2, true);
    case "bf16": {
      const word = new DataView(new ArrayBuffer(4));
      word.setUint16(2, view.getUint16(index * 2, true), true);
      return word.getFloat32(0, true);
    }
    case "q8":
    case "q8_half":
      return Math.fround(view.getInt8(index) * scales[unit]);
    case "q4":
      return Math.fround((nibble << 28 >> 24) * scales[unit]);
    case "q4_offset":
      return Math.fround(Math.fround(nibble * scales[2 * unit]) + scales[2 * unit + 1]);
  }
}

for (const type of supportedTensorTypes()) {
  Deno.test(`repack() keeps the values of ${type}`, () => {
    const [rows, columns] = [3, 512];
    const { tensor, layout, target } = repacked(type, rows, columns);
    const largest = tensor.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    assert(largest > 0);
    for (const [i, value] of tensor.values.entries()) {
      const error = Math.abs(weightAt(i, layout, target) - value);
      assert(
        error <= 1e-6 * largest,
        `weight ${i} is ${weightAt(i, layout, target)}, not ${value}`,
      );
    }
  });
}

Deno.test("repack() stores negative Q4_0 nibbles as two's complement and a sixteenth of the scale", () => {
  const block = new Uint8Array(18);
  new DataView(block.buffer).setFloat16(0, 2, true);
  block[2] = 0xf0; // weight 0 is -8, weight 16 is 7
  const target = { quants: new Uint8Array(16), scales: new Float32Array(1) };
  repack("Q4_0", block, target);
  assertEquals(target.scales[0], 1 / 8);
  assertEquals(target.quants[0], 0x78);
});

Deno.test("interleaveRows() lets the units of a group of rows alternate and leaves room for missing rows", () => {
  // Three rows of two units of two words, two rows together.
  const source = new Uint32Array([1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24]);
  const target = new Uint32Array(16).fill(99);
  interleaveRows(source, target, { rowWords: 4, unitWords: 2, rowsTogether: 2 });
  assertEquals([...target.subarray(0, 8)], [1, 2, 11, 12, 3, 4, 13, 14]);
  assertEquals([...target.subarray(8)], [21, 22, 99, 99, 23, 24, 99, 99]);
});
