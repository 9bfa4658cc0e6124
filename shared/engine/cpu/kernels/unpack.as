// A panel unpacked into a thread's scratch, once for all activation rows.
//
// Quants of 32 columns, then scales of all blocks, 64 bytes each: 8 scales, and 8 minima (Q4_1) or
// the scales of the second half (Q6_K).
//   bytes: 8 groups of 4 columns x 8 rows, unsigned, as stored: 256 bytes a block
//   words: 16 pairs of columns x 8 rows of i16, without bias: 512 bytes a block. Pair 2g + h is
//          columns (4g + h, 4g + h + 2), which the low and high bytes of a stored i16 give

import { biasOf, blockBytes, BF16, halves, Q4_1, Q6_K, Q8_0 } from "./weights";

export const BYTES_BLOCK: u32 = 256;
export const WORDS_BLOCK: u32 = 512;
export const SCALES_BLOCK: u32 = 64;

// F16 or BF16 to floats [columns][8].
export function unpackFloats(format: u32, panel: usize, to: usize, columns: u32): void {
  const isBf16 = format == BF16;
  for (let k: u32 = 0; k < columns; k++) {
    const bits = v128.load(panel);
    if (isBf16) {
      v128.store(to, i32x4.shl(i32x4.extend_low_i16x8_u(bits), 16));
      v128.store(to, i32x4.shl(i32x4.extend_high_i16x8_u(bits), 16), 16);
    } else {
      v128.store(to, halves(i32x4.extend_low_i16x8_s(bits)));
      v128.store(to, halves(i32x4.extend_high_i16x8_s(bits)), 16);
    }
    panel += 16;
    to += 32;
  }
}

// Quants only, of a format with nibbles.
export function unpackBytes(format: u32, panel: usize, to: usize, columns: u32): void {
  const step = blockBytes(format);
  const mask = i8x16.splat(15);
  for (let k: u32 = 0; k < columns; k += 32) {
    for (let at: usize = 0; at < 128; at += 16) {
      const pairs = v128.load(panel + at);
      v128.store(to + at, v128.and(pairs, mask));
      v128.store(to + at, v128.and(i16x8.shr_u(pairs, 4), mask), 128);
    }
    panel += step;
    to += BYTES_BLOCK;
  }
}

// Quants and scales.
export function unpackWords(format: u32, panel: usize, to: usize, columns: u32): void {
  unpackScales(format, panel, to + (columns >> 5) * WORDS_BLOCK, columns);
  const step = blockBytes(format);
  const bias = i16x8.splat(<i16>biasOf(format));
  const isNibbles = format != Q8_0 && format != Q6_K;
  const low = i16x8.splat(15);
  const byte = i16x8.splat(255);
  for (let k: u32 = 0; k < columns; k += 32) {
    for (let half: usize = 0; half < 32; half += 16) {
      let from = panel + half;
      let at = to + half;
      if (isNibbles) {
        for (let v = 0; v < 4; v++) {
          const pairs = v128.load(from);
          v128.store(at, i16x8.sub(v128.and(pairs, low), bias));
          v128.store(at, i16x8.sub(v128.and(i16x8.shr_u(pairs, 8), low), bias), 32);
          v128.store(at, i16x8.sub(v128.and(i16x8.shr_u(pairs, 4), low), bias), 256);
          v128.store(at, i16x8.sub(i16x8.shr_u(pairs, 12), bias), 288);
          from += 32;
          at += 64;
        }
      } else {
        for (let v = 0; v < 8; v++) {
          const quants = v128.load(from);
          v128.store(at, i16x8.sub(v128.and(quants, byte), bias));
          v128.store(at, i16x8.sub(i16x8.shr_u(quants, 8), bias), 32);
          from += 32;
          at += 64;
        }
      }
    }
    panel += step;
    to += WORDS_BLOCK;
  }
}

// Scales only.
export function unpackScales(format: u32, panel: usize, to: usize, columns: u32): void {
  const step = blockBytes(format);
  const quantBytes: usize = format == Q8_0 || format == Q6_K ? 256 : 128;
  const superScales = panel + (columns >> 5) * step;
  for (let k: u32 = 0; k < columns; k += 32) {
    const at = panel + quantBytes;
    if (format == Q6_K) {
      const d = v128.load(superScales + (k >> 8) * 16);
      const dLow = halves(i32x4.extend_low_i16x8_s(d));
      const dHigh = halves(i32x4.extend_high_i16x8_s(d));
      const first = v128.load64_zero(at);
      const second = v128.load64_zero(at, 8);
      storeSmallScales(to, first, dLow, dHigh);
      storeSmallScales(to + 32, second, dLow, dHigh);
    } else {
      storeHalves(to, at);
      if (format == Q4_1) storeHalves(to + 32, at + 16);
    }
    panel += step;
    to += SCALES_BLOCK;
  }
}

@inline
function storeHalves(to: usize, from: usize): void {
  const bits = v128.load(from);
  v128.store(to, halves(i32x4.extend_low_i16x8_s(bits)));
  v128.store(to, halves(i32x4.extend_high_i16x8_s(bits)), 16);
}

@inline
function storeSmallScales(to: usize, scales: v128, dLow: v128, dHigh: v128): void {
  const words = i16x8.extend_low_i8x16_s(scales);
  v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(words)), dLow));
  v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(words)), dHigh), 16);
}
