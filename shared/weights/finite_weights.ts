/**
 * Finds weights that are infinite or no number. One of them makes every answer of a model nonsense,
 * without any other sign.
 */

import type { TensorType } from "./model_file.ts";
import { TENSOR_TYPES } from "./tensor_types.ts";

const F16_EXPONENT = 0x7c00;
/** The upper half of an F32, which is a BF16, has the same. */
const F32_EXPONENT = 0x7f80;

interface StoredExponents {
  /** Bytes from a block's start to the two that hold the exponent, for each float of a block. */
  readonly offsets: readonly number[];
  /** Bits of the exponent there: all are set in what is not finite. */
  readonly mask: number;
}

const EXPONENTS: Readonly<Record<TensorType, StoredExponents>> = {
  F32: { offsets: [2], mask: F32_EXPONENT },
  F16: { offsets: [0], mask: F16_EXPONENT },
  BF16: { offsets: [0], mask: F32_EXPONENT },
  Q4_0: { offsets: [0], mask: F16_EXPONENT },
  Q4_1: { offsets: [0, 2], mask: F16_EXPONENT },
  Q8_0: { offsets: [0], mask: F16_EXPONENT },
  Q6_K: { offsets: [208], mask: F16_EXPONENT },
};

/** Byte of the first block in `bytes`, whole blocks of `type`, with a float that is not finite; else -1. */
export function findNotFinite(type: TensorType, bytes: Uint8Array): number {
  const { offsets, mask } = EXPONENTS[type];
  const { bytesPerBlock } = TENSOR_TYPES[type];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let first = -1;
  for (const offset of offsets) {
    for (let at = offset; at < bytes.length; at += bytesPerBlock) {
      if ((view.getUint16(at, true) & mask) !== mask) continue;
      const block = at - offset;
      if (first < 0 || block < first) first = block;
      break;
    }
  }
  return first;
}
