// A panel unpacked into a thread's scratch, once for many rows.
//
// Scales of a block take 64 bytes: 8 scales, and 8 minima with Q4_1. Quants take 512: 16 pairs of
// columns x 8 rows of i16. Pair 2g + h is columns (4g + h, 4g + h + 2), which the low and high
// bytes of a stored i16 give.

import { blockBytes, halves, Q4_1, Q8_0 } from "./weights";

export const SCALES_BLOCK: u32 = 64;

// Quants of Q8_0 or a format with nibbles.
export function unpackWords(op: usize, format: u32, panel: usize, to: usize, columns: u32): void {
  const step = blockBytes(format);
  const low = v128.and(v128.load32_splat(op, 80), v128.load32_splat(op, 84));
  const lowByte = v128.load32_splat(op, 84);
  for (let k: u32 = 0; k < columns; k += 32) {
    let from = panel;
    let at = to;
    if (format == Q8_0) {
      for (let v = 0; v < 8; v++) {
        const a = v128.load(from), b = v128.load(from, 16);
        v128.store(at, v128.and(a, lowByte));
        v128.store(at, v128.and(b, lowByte), 16);
        v128.store(at, i16x8.shr_u(a, 8), 32);
        v128.store(at, i16x8.shr_u(b, 8), 48);
        from += 32;
        at += 64;
      }
    } else {
      for (let v = 0; v < 4; v++) {
        const a = v128.load(from), b = v128.load(from, 16);
        v128.store(at, v128.and(a, low));
        v128.store(at, v128.and(b, low), 16);
        v128.store(at, v128.and(i16x8.shr_u(a, 8), low), 32);
        v128.store(at, v128.and(i16x8.shr_u(b, 8), low), 48);
        v128.store(at, v128.and(i16x8.shr_u(a, 4), low), 256);
        v128.store(at, v128.and(i16x8.shr_u(b, 4), low), 272);
        v128.store(at, i16x8.shr_u(a, 12), 288);
        v128.store(at, i16x8.shr_u(b, 12), 304);
        from += 32;
        at += 64;
      }
    }
    panel += step;
    to += 512;
  }
}

// Scales of Q8_0 or a format with nibbles.
export function unpackScales(op: usize, format: u32, panel: usize, to: usize, columns: u32): void {
  const step = blockBytes(format);
  const bits = v128.load32_splat(op, 88), factor = v128.load32_splat(op, 92);
  let at = panel + (format == Q8_0 ? 256 : 128);
  for (let k: u32 = 0; k < columns; k += 32) {
    const d = v128.load(at);
    v128.store(to, halves(i32x4.extend_low_i16x8_s(d), bits, factor));
    v128.store(to, halves(i32x4.extend_high_i16x8_s(d), bits, factor), 16);
    if (format == Q4_1) {
      const m = v128.load(at, 16);
      v128.store(to, halves(i32x4.extend_low_i16x8_s(m), bits, factor), 32);
      v128.store(to, halves(i32x4.extend_high_i16x8_s(m), bits, factor), 48);
    }
    at += step;
    to += SCALES_BLOCK;
  }
}
