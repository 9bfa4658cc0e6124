// Quantised panels by 16-bit activations with the dot product of 16-bit words that every CPU has.

import {
  joinBlock,
  joinBlockWithMinimum,
  scaleOf,
  totalFloatOf,
} from "./block_sum";
import { put } from "./linear_output";
import { BLOCK_BYTES, INFO_BYTES } from "./quantise";
import { SCALES_BLOCK, WORDS_BLOCK } from "./unpack";
import { biasOf, blockBytes, halves, Q4_0, Q4_1, Q6_K, Q8_0 } from "./weights";

@inline
function mac(sum: v128, w: v128, x: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(w, x));
}

// An unpacked panel by all rows.
export function multiplyWords(op: usize, format: u32, panel: usize, rows: u32, first: u32): void {
  if (format == Q6_K) return multiplyHalves(op, panel, rows, first);
  const blocks = load<u32>(op, 28) >> 5;
  const hasMinimum = format == Q4_1;
  let q = load<usize>(op, 40);
  let info = load<usize>(op, 44);
  let row: u32 = 0;
  for (; row + 4 <= rows; row += 4) {
    if (hasMinimum) four(op, panel, q, info, blocks, row, first, true);
    else four(op, panel, q, info, blocks, row, first, false);
    q += 4 * blocks * BLOCK_BYTES;
    info += 4 * blocks * INFO_BYTES;
  }
  for (; row < rows; row++) {
    if (hasMinimum) one(op, panel, q, info, blocks, row, first, true);
    else one(op, panel, q, info, blocks, row, first, false);
    q += blocks * BLOCK_BYTES;
    info += blocks * INFO_BYTES;
  }
}

@inline
function join(
  sum: v128,
  integer: v128,
  scales: usize,
  info: usize,
  hasMinimum: bool,
): v128 {
  return hasMinimum
    ? joinBlockWithMinimum(
      sum,
      integer,
      v128.load(scales),
      v128.load(scales, 32),
      totalFloatOf(info),
      scaleOf(info),
    )
    : joinBlock(sum, integer, v128.load(scales), scaleOf(info));
}

@inline
function one(
  op: usize,
  panel: usize,
  q: usize,
  info: usize,
  blocks: u32,
  row: u32,
  first: u32,
  hasMinimum: bool,
): void {
  let scales = panel + blocks * WORDS_BLOCK;
  let a = f32x4.splat(0);
  let b = f32x4.splat(0);
  for (let block: u32 = 0; block < blocks; block++) {
    let sumA = i32x4.splat(0);
    let sumB = i32x4.splat(0);
    for (const end = q + BLOCK_BYTES; q < end; q += 8) {
      let x = v128.load32_splat(q);
      sumA = mac(sumA, v128.load(panel), x);
      sumB = mac(sumB, v128.load(panel, 16), x);
      x = v128.load32_splat(q, 4);
      sumA = mac(sumA, v128.load(panel, 32), x);
      sumB = mac(sumB, v128.load(panel, 48), x);
      panel += 64;
    }
    a = join(a, sumA, scales, info, hasMinimum);
    b = join(b, sumB, scales + 16, info, hasMinimum);
    info += INFO_BYTES;
    scales += SCALES_BLOCK;
  }
  put(op, row, first, a, b);
}

@inline
function four(
  op: usize,
  panel: usize,
  q: usize,
  info: usize,
  blocks: u32,
  row: u32,
  first: u32,
  hasMinimum: bool,
): void {
  let scales = panel + blocks * WORDS_BLOCK;
  const qStep = blocks * BLOCK_BYTES;
  const infoStep = blocks * INFO_BYTES;
  let q1 = q + qStep, q2 = q1 + qStep, q3 = q2 + qStep;
  let a0 = f32x4.splat(0), b0 = f32x4.splat(0);
  let a1 = f32x4.splat(0), b1 = f32x4.splat(0);
  let a2 = f32x4.splat(0), b2 = f32x4.splat(0);
  let a3 = f32x4.splat(0), b3 = f32x4.splat(0);
  for (let block: u32 = 0; block < blocks; block++) {
    let sumA0 = i32x4.splat(0), sumB0 = i32x4.splat(0);
    let sumA1 = i32x4.splat(0), sumB1 = i32x4.splat(0);
    let sumA2 = i32x4.splat(0), sumB2 = i32x4.splat(0);
    let sumA3 = i32x4.splat(0), sumB3 = i32x4.splat(0);
    for (const end = q + BLOCK_BYTES; q < end; q += 4) {
      const wA = v128.load(panel);
      const wB = v128.load(panel, 16);
      let x = v128.load32_splat(q);
      sumA0 = mac(sumA0, wA, x);
      sumB0 = mac(sumB0, wB, x);
      x = v128.load32_splat(q1);
      sumA1 = mac(sumA1, wA, x);
      sumB1 = mac(sumB1, wB, x);
      x = v128.load32_splat(q2);
      sumA2 = mac(sumA2, wA, x);
      sumB2 = mac(sumB2, wB, x);
      x = v128.load32_splat(q3);
      sumA3 = mac(sumA3, wA, x);
      sumB3 = mac(sumB3, wB, x);
      panel += 32;
      q1 += 4;
      q2 += 4;
      q3 += 4;
    }
    a0 = join(a0, sumA0, scales, info, hasMinimum);
    b0 = join(b0, sumB0, scales + 16, info, hasMinimum);
    a1 = join(a1, sumA1, scales, info + infoStep, hasMinimum);
    b1 = join(b1, sumB1, scales + 16, info + infoStep, hasMinimum);
    a2 = join(a2, sumA2, scales, info + 2 * infoStep, hasMinimum);
    b2 = join(b2, sumB2, scales + 16, info + 2 * infoStep, hasMinimum);
    a3 = join(a3, sumA3, scales, info + 3 * infoStep, hasMinimum);
    b3 = join(b3, sumB3, scales + 16, info + 3 * infoStep, hasMinimum);
    info += INFO_BYTES;
    scales += SCALES_BLOCK;
  }
  put(op, row, first, a0, b0);
  put(op, row + 1, first, a1, b1);
  put(op, row + 2, first, a2, b2);
  put(op, row + 3, first, a3, b3);
}

// Q6_K: scales of 16 columns.
function multiplyHalves(op: usize, panel: usize, rows: u32, first: u32): void {
  const blocks = load<u32>(op, 28) >> 5;
  let q = load<usize>(op, 40);
  let info = load<usize>(op, 44);
  for (let row: u32 = 0; row < rows; row++) {
    let w = panel;
    let scales = panel + blocks * WORDS_BLOCK;
    let a = f32x4.splat(0);
    let b = f32x4.splat(0);
    for (let half: u32 = 0; half < 2 * blocks; half++) {
      let sumA = i32x4.splat(0);
      let sumB = i32x4.splat(0);
      for (const end = q + BLOCK_BYTES / 2; q < end; q += 4) {
        const x = v128.load32_splat(q);
        sumA = mac(sumA, v128.load(w), x);
        sumB = mac(sumB, v128.load(w, 16), x);
        w += 32;
      }
      a = joinBlock(a, sumA, v128.load(scales), scaleOf(info));
      b = joinBlock(b, sumB, v128.load(scales, 16), scaleOf(info));
      if ((half & 1) != 0) info += INFO_BYTES;
      scales += SCALES_BLOCK / 2;
    }
    put(op, row, first, a, b);
  }
}

// A stored panel by the only row, without a detour through scratch.
export function multiplyWordsOnce(op: usize, format: u32, panel: usize, first: u32): void {
  if (format == Q8_0) onceBytes(op, panel, first);
  else if (format == Q4_1) onceNibbles(op, panel, first, true);
  else onceNibbles(op, panel, first, false);
}

@inline
function onceNibbles(op: usize, panel: usize, first: u32, hasMinimum: bool): void {
  const blocks = load<u32>(op, 28) >> 5;
  let q = load<usize>(op, 40);
  let info = load<usize>(op, 44);
  const low = i16x8.splat(15);
  let a = f32x4.splat(0);
  let b = f32x4.splat(0);
  for (let block: u32 = 0; block < blocks; block++) {
    let sumA = i32x4.splat(0);
    let sumB = i32x4.splat(0);
    for (let v: usize = 0; v < 4; v++) {
      const wA = v128.load(panel + v * 32);
      const wB = v128.load(panel + v * 32, 16);
      let x = v128.load32_splat(q + v * 8);
      sumA = mac(sumA, v128.and(wA, low), x);
      sumB = mac(sumB, v128.and(wB, low), x);
      x = v128.load32_splat(q + v * 8, 4);
      sumA = mac(sumA, v128.and(i16x8.shr_u(wA, 8), low), x);
      sumB = mac(sumB, v128.and(i16x8.shr_u(wB, 8), low), x);
      x = v128.load32_splat(q + v * 8, 32);
      sumA = mac(sumA, v128.and(i16x8.shr_u(wA, 4), low), x);
      sumB = mac(sumB, v128.and(i16x8.shr_u(wB, 4), low), x);
      x = v128.load32_splat(q + v * 8, 36);
      sumA = mac(sumA, i16x8.shr_u(wA, 12), x);
      sumB = mac(sumB, i16x8.shr_u(wB, 12), x);
    }
    const d = v128.load(panel, 128);
    const dA = halves(i32x4.extend_low_i16x8_s(d));
    const dB = halves(i32x4.extend_high_i16x8_s(d));
    const scale = scaleOf(info);
    if (hasMinimum) {
      const m = v128.load(panel, 144);
      const mA = halves(i32x4.extend_low_i16x8_s(m));
      const mB = halves(i32x4.extend_high_i16x8_s(m));
      const total = totalFloatOf(info);
      a = joinBlockWithMinimum(a, sumA, dA, mA, total, scale);
      b = joinBlockWithMinimum(b, sumB, dB, mB, total, scale);
    } else {
      const shift = i32x4.mul(v128.load32_splat(info, 8), i32x4.splat(biasOf(Q4_0)));
      a = joinBlock(a, i32x4.sub(sumA, shift), dA, scale);
      b = joinBlock(b, i32x4.sub(sumB, shift), dB, scale);
    }
    panel += blockBytes(hasMinimum ? Q4_1 : Q4_0);
    q += BLOCK_BYTES;
    info += INFO_BYTES;
  }
  put(op, 0, first, a, b);
}

function onceBytes(op: usize, panel: usize, first: u32): void {
  const blocks = load<u32>(op, 28) >> 5;
  let q = load<usize>(op, 40);
  let info = load<usize>(op, 44);
  const byte = i16x8.splat(255);
  let a = f32x4.splat(0);
  let b = f32x4.splat(0);
  for (let block: u32 = 0; block < blocks; block++) {
    let sumA = i32x4.splat(0);
    let sumB = i32x4.splat(0);
    for (let v: usize = 0; v < 8; v++) {
      const wA = v128.load(panel + v * 32);
      const wB = v128.load(panel + v * 32, 16);
      let x = v128.load32_splat(q + v * 8);
      sumA = mac(sumA, v128.and(wA, byte), x);
      sumB = mac(sumB, v128.and(wB, byte), x);
      x = v128.load32_splat(q + v * 8, 4);
      sumA = mac(sumA, i16x8.shr_u(wA, 8), x);
      sumB = mac(sumB, i16x8.shr_u(wB, 8), x);
    }
    const d = v128.load(panel, 256);
    const scale = scaleOf(info);
    const shift = i32x4.mul(v128.load32_splat(info, 8), i32x4.splat(biasOf(Q8_0)));
    a = joinBlock(a, i32x4.sub(sumA, shift), halves(i32x4.extend_low_i16x8_s(d)), scale);
    b = joinBlock(b, i32x4.sub(sumB, shift), halves(i32x4.extend_high_i16x8_s(d)), scale);
    panel += blockBytes(Q8_0);
    q += BLOCK_BYTES;
    info += INFO_BYTES;
  }
  put(op, 0, first, a, b);
}
