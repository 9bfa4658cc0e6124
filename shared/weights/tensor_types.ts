/**
 * Storage formats of tensors: their block layouts and what the stored bits mean.
 *
 * Rows are split into blocks of `blockSize` weights that share their scales; a block never crosses a
 * row. All numbers are little-endian. Layouts are those of GGML (ggml-common.h, ggml-quants.c).
 */

import type { TensorType } from "./model_file.ts";

export interface TensorTypeLayout {
  /** The type's number in GGUF files. */
  readonly ggufId: number;
  /** Weights in a block. */
  readonly blockSize: number;
  readonly bytesPerBlock: number;
}

export const TENSOR_TYPES: Readonly<Record<TensorType, TensorTypeLayout>> = {
  F32: { ggufId: 0, blockSize: 1, bytesPerBlock: 4 },
  F16: { ggufId: 1, blockSize: 1, bytesPerBlock: 2 },
  BF16: { ggufId: 30, blockSize: 1, bytesPerBlock: 2 },
  // f16 scale, 16 bytes of nibbles: byte i holds weights i (low) and i + 16 (high).
  Q4_0: { ggufId: 2, blockSize: 32, bytesPerBlock: 18 },
  // f16 scale, f16 minimum, nibbles as in Q4_0.
  Q4_1: { ggufId: 3, blockSize: 32, bytesPerBlock: 20 },
  // f16 scale, 32 int8.
  Q8_0: { ggufId: 8, blockSize: 32, bytesPerBlock: 34 },
  // 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 int8 scales, f16 scale of the scales.
  Q6_K: { ggufId: 14, blockSize: 256, bytesPerBlock: 210 },
};

const GGUF_TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [6, "Q5_0"],
  [7, "Q5_1"],
  [9, "Q8_1"],
  [10, "Q2_K"],
  [11, "Q3_K"],
  [12, "Q4_K"],
  [13, "Q5_K"],
  [15, "Q8_K"],
  [16, "IQ2_XXS"],
  [17, "IQ2_XS"],
  [18, "IQ3_XXS"],
  [19, "IQ1_S"],
  [20, "IQ4_NL"],
  [21, "IQ3_S"],
  [22, "IQ2_S"],
  [23, "IQ4_XS"],
  [24, "I8"],
  [25, "I16"],
  [26, "I32"],
  [27, "I64"],
  [28, "F64"],
  [29, "IQ1_M"],
  [34, "TQ1_0"],
  [35, "TQ2_0"],
  [39, "MXFP4"],
]);

/** The readable type with this GGUF number, or undefined when Baton does not read it. */
export function tensorTypeOfGgufId(ggufId: number): TensorType | undefined {
  for (const type of supportedTensorTypes()) {
    if (TENSOR_TYPES[type].ggufId === ggufId) return type;
  }
  return undefined;
}

/** What to call a GGUF type that Baton does not read. */
export function unsupportedTypeName(ggufId: number): string {
  return GGUF_TYPE_NAMES.get(ggufId) ?? `number ${ggufId}`;
}

/** Every type that Baton reads. */
export function supportedTensorTypes(): readonly TensorType[] {
  return Object.keys(TENSOR_TYPES) as TensorType[];
}

/** Bytes of `elements` weights that start and end on block borders. */
export function tensorByteLength(type: TensorType, elements: number): number {
  const { blockSize, bytesPerBlock } = TENSOR_TYPES[type];
  if (elements % blockSize !== 0) {
    throw new RangeError(
      `Cannot measure ${elements} weights of type ${type}: blocks hold ${blockSize} weights`,
    );
  }
  return (elements / blockSize) * bytesPerBlock;
}

/**
 * Unpacks stored weights to F32, exactly: one rounding to F32 per weight.
 *
 * `bytes` holds whole blocks and `out` exactly their weights, else a RangeError is thrown.
 */
export function dequantise(type: TensorType, bytes: Uint8Array, out: Float32Array): void {
  const expected = tensorByteLength(type, out.length);
  if (bytes.length !== expected) {
    throw new RangeError(
      `Cannot dequantise ${out.length} weights of type ${type}: ` +
        `they take ${expected} bytes and ${bytes.length} were given`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (type) {
    case "F32":
      for (let i = 0; i < out.length; i++) out[i] = view.getFloat32(i * 4, true);
      return;
    case "F16":
      for (let i = 0; i < out.length; i++) out[i] = view.getFloat16(i * 2, true);
      return;
    case "BF16":
      for (let i = 0; i < out.length; i++) out[i] = bf16At(view, i * 2);
      return;
    case "Q4_0":
      return dequantiseQ4(view, out, { hasMinimum: false });
    case "Q4_1":
      return dequantiseQ4(view, out, { hasMinimum: true });
    case "Q8_0":
      return dequantiseQ8(view, out);
    case "Q6_K":
      return dequantiseQ6K(view, out);
  }
}

const bf16Bits = new Uint32Array(1);
const bf16Value = new Float32Array(bf16Bits.buffer);

/** BF16 is the upper half of an F32. */
function bf16At(view: DataView, byteOffset: number): number {
  bf16Bits[0] = view.getUint16(byteOffset, true) << 16;
  return bf16Value[0];
}

/** Q4_0: w = scale * (q - 8). Q4_1: w = scale * q + minimum. */
function dequantiseQ4(view: DataView, out: Float32Array, options: { hasMinimum: boolean }): void {
  const headerBytes = options.hasMinimum ? 4 : 2;
  let at = 0;
  for (let block = 0; block < out.length; block += 32) {
    const scale = view.getFloat16(at, true);
    const minimum = options.hasMinimum ? view.getFloat16(at + 2, true) : 0;
    const zero = options.hasMinimum ? 0 : 8;
    at += headerBytes;
    for (let i = 0; i < 16; i++) {
      const pair = view.getUint8(at++);
      out[block + i] = scale * ((pair & 15) - zero) + minimum;
      out[block + i + 16] = scale * ((pair >> 4) - zero) + minimum;
    }
  }
}

/** w = scale * q. */
function dequantiseQ8(view: DataView, out: Float32Array): void {
  let at = 0;
  for (let block = 0; block < out.length; block += 32) {
    const scale = view.getFloat16(at, true);
    at += 2;
    for (let i = 0; i < 32; i++) out[block + i] = scale * view.getInt8(at++);
  }
}

/**
 * w = superScale * scale[weight / 16] * (q - 32), q of 6 bits.
 *
 * A block is two halves of 128 weights. In a half, byte i of 64 low bytes holds the low nibbles of
 * weights i and i + 64, and byte i of 32 high bytes the upper bit pairs of weights i, i + 32, i + 64
 * and i + 96.
 */
function dequantiseQ6K(view: DataView, out: Float32Array): void {
  for (let block = 0, at = 0; block < out.length; block += 256, at += 210) {
    const superScale = view.getFloat16(at + 208, true);
    for (let half = 0; half < 2; half++) {
      const low = at + half * 64;
      const high = at + 128 + half * 32;
      const scales = at + 192 + half * 8;
      for (let weight = 0; weight < 128; weight++) {
        const lowByte = view.getUint8(low + (weight & 63));
        const nibble = weight < 64 ? lowByte & 15 : lowByte >> 4;
        const bitPair = (view.getUint8(high + (weight & 31)) >> (2 * (weight >> 5))) & 3;
        const scale = superScale * view.getInt8(scales + (weight >> 4));
        out[block + half * 128 + weight] = scale * ((nibble | (bitPair << 4)) - 32);
      }
    }
  }
}
