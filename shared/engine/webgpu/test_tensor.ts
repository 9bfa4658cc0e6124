/** Small deterministic tensors, encoded as a file has them: what the device check and tests compute with. */

import type { TensorInfo, TensorType } from "../../weights/model_file.ts";
import { dequantise, TENSOR_TYPES, tensorByteLength } from "../../weights/tensor_types.ts";
import type { TensorReader } from "./weight_matrix.ts";

export interface TestTensor {
  readonly info: TensorInfo;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What the bytes mean. [rows, columns] */
  readonly values: Float32Array<ArrayBuffer>;
}

/** Where the f16 scales of a block lie; plain types have none. */
const SCALE_OFFSETS: Readonly<Record<TensorType, readonly number[]>> = {
  F32: [],
  F16: [],
  BF16: [],
  Q8_0: [0],
  Q4_0: [0],
  Q4_1: [0, 2],
  Q6_K: [208],
};

/** A tensor of `type` with `shape` [rows, columns], made from `seed`. */
export function testTensor(
  type: TensorType,
  shape: readonly [number, number],
  seed: number,
): TestTensor {
  const [rows, columns] = shape;
  const count = rows * columns;
  const bytes = new Uint8Array(tensorByteLength(type, count));
  const random = testNumbers(seed);
  encode(type, bytes, random);
  const values = new Float32Array(count);
  dequantise(type, bytes, values);
  const info = { name: `test ${type}`, type, shape, fileOffset: 0, byteLength: bytes.length };
  return { info, bytes, values };
}

/** Reads `tensors` as if they were in a file. */
export function tensorReader(tensors: readonly TestTensor[]): TensorReader {
  const bytesOf = new Map(tensors.map(({ info, bytes }) => [info, bytes]));
  return {
    read: (info, byteOffset, into) => {
      const bytes = bytesOf.get(info);
      if (!bytes) {
        throw new RangeError(`Cannot read ${info.name}: it is not one of the test tensors`);
      }
      into.set(bytes.subarray(byteOffset, byteOffset + into.length));
      return Promise.resolve();
    },
  };
}

/** `count` numbers from -1 to 1. */
export function testValues(count: number, seed: number): Float32Array<ArrayBuffer> {
  return new Float32Array(count).map(testNumbers(seed));
}

function encode(type: TensorType, bytes: Uint8Array<ArrayBuffer>, random: () => number): void {
  const view = new DataView(bytes.buffer);
  switch (type) {
    case "F32":
      for (let at = 0; at < bytes.length; at += 4) view.setFloat32(at, random(), true);
      return;
    case "F16":
      for (let at = 0; at < bytes.length; at += 2) view.setFloat16(at, random(), true);
      return;
    case "BF16": {
      const word = new DataView(new ArrayBuffer(4));
      for (let at = 0; at < bytes.length; at += 2) {
        word.setFloat32(0, random(), true);
        view.setUint16(at, word.getUint16(2, true), true);
      }
      return;
    }
    default: {
      for (let at = 0; at < bytes.length; at++) bytes[at] = Math.floor((random() + 1) * 128);
      const { bytesPerBlock } = TENSOR_TYPES[type];
      for (let at = 0; at < bytes.length; at += bytesPerBlock) {
        for (const offset of SCALE_OFFSETS[type]) view.setFloat16(at + offset, random() / 64, true);
      }
    }
  }
}

/** Numbers from -1 to 1 by a linear congruence. */
function testNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}
