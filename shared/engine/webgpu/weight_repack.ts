/** Turns GGUF blocks into the device formats of `weight_format.ts`, some rows at a time. */

import type { TensorType } from "../../weights/model_file.ts";

/** Where a piece of repacked rows goes. */
export interface RepackTarget {
  readonly quants: Uint8Array<ArrayBuffer>;
  readonly scales: Float32Array<ArrayBuffer>;
}

/** Repacks whole blocks of `type` from `source` into the start of `target`. */
export function repack(
  type: TensorType,
  source: Uint8Array<ArrayBuffer>,
  target: RepackTarget,
): void {
  switch (type) {
    case "F32":
    case "F16":
    case "BF16":
      target.quants.set(source);
      return;
    case "Q8_0":
      return repackQ8(source, target);
    case "Q4_0":
      return repackQ4(source, target);
    case "Q4_1":
      return repackQ4Offset(source, target);
    case "Q6_K":
      return repackQ6(source, target);
  }
}

/** Block: scale f16, 32 int8. */
function repackQ8(source: Uint8Array<ArrayBuffer>, { quants, scales }: RepackTarget): void {
  const halves = new Float16Array(source.buffer, source.byteOffset, source.byteLength >> 1);
  for (let block = 0, at = 0; at < source.length; block++, at += 34) {
    scales[block] = halves[at >> 1];
    quants.set(source.subarray(at + 2, at + 34), block * 32);
  }
}

/** Block: scale f16, 16 bytes of nibbles biased by 8. */
function repackQ4(source: Uint8Array<ArrayBuffer>, { quants, scales }: RepackTarget): void {
  const halves = new Float16Array(source.buffer, source.byteOffset, source.byteLength >> 1);
  for (let block = 0, at = 0; at < source.length; block++, at += 18) {
    scales[block] = halves[at >> 1] / 16;
    // q - 8 as a two's complement nibble is q with its top bit flipped.
    for (let i = 0; i < 16; i++) quants[block * 16 + i] = source[at + 2 + i] ^ 0x88;
  }
}

/** Block: scale f16, minimum f16, 16 bytes of nibbles. */
function repackQ4Offset(source: Uint8Array<ArrayBuffer>, { quants, scales }: RepackTarget): void {
  const halves = new Float16Array(source.buffer, source.byteOffset, source.byteLength >> 1);
  for (let block = 0, at = 0; at < source.length; block++, at += 20) {
    scales[2 * block] = halves[at >> 1];
    scales[2 * block + 1] = halves[(at >> 1) + 1];
    for (let i = 0; i < 16; i++) quants[block * 16 + i] = source[at + 4 + i];
  }
}

/**
 * Block of 256: 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 int8 scales, one f16 scale.
 * Weights are 6-bit values minus 32, which fit a byte; each 16 get the product of both scales.
 */
function repackQ6(source: Uint8Array<ArrayBuffer>, { quants, scales }: RepackTarget): void {
  const halves = new Float16Array(source.buffer, source.byteOffset, source.byteLength >> 1);
  for (let block = 0, at = 0; at < source.length; block++, at += 210) {
    const scale = halves[(at + 208) >> 1];
    for (let group = 0; group < 16; group++) {
      const small = source[at + 192 + group] << 24 >> 24;
      scales[block * 16 + group] = Math.fround(scale * small);
    }
    for (let half = 0; half < 2; half++) {
      const low = at + half * 64;
      const high = at + 128 + half * 32;
      const out = block * 256 + half * 128;
      for (let i = 0; i < 32; i++) {
        const pairs = source[high + i];
        quants[out + i] = ((source[low + i] & 15) | ((pairs & 3) << 4)) - 32;
        quants[out + i + 32] = ((source[low + i + 32] & 15) | ((pairs >> 2 & 3) << 4)) - 32;
        quants[out + i + 64] = ((source[low + i] >> 4) | ((pairs >> 4 & 3) << 4)) - 32;
        quants[out + i + 96] = ((source[low + i + 32] >> 4) | ((pairs >> 6 & 3) << 4)) - 32;
      }
    }
  }
}

export interface InterleaveOptions {
  /** Words of 4 bytes of one row. */
  readonly rowWords: number;
  /** Words that stay together. */
  readonly unitWords: number;
  readonly rowsTogether: number;
}

/**
 * Reorders contiguous rows so that the units of `rowsTogether` rows alternate. `source` holds whole
 * rows, `target` as many rows rounded up to a multiple of `rowsTogether`.
 */
export function interleaveRows(
  source: Uint32Array,
  target: Uint32Array,
  { rowWords, unitWords, rowsTogether }: InterleaveOptions,
): void {
  const rows = source.length / rowWords;
  for (let row = 0; row < rows; row++) {
    const within = row % rowsTogether;
    let at = (row - within) * rowWords + within * unitWords;
    const end = (row + 1) * rowWords;
    for (let from = row * rowWords; from < end; from += unitWords) {
      for (let word = 0; word < unitWords; word++) target[at + word] = source[from + word];
      at += rowsTogether * unitWords;
    }
  }
}
