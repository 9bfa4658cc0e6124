// Quantised panels by 16-bit activations with a dot product of unsigned by signed bytes, for CPUs that
// have it as one instruction (x86 with VNNI). An activation is 256 * high + low, so two byte products
// give the same integers as linear_words.
//
// Quants are read as the panel has them, bytes or nibbles, or as bytes unpacked to scratch; scales as
// the panel has them, or unpacked. What is what is constant in each kernel.

import {
  firstHalfOf,
  joinBlock,
  joinBlockWithMinimum,
  scaleOf,
  secondHalfOf,
  totalFloatOf,
  totalOf,
} from "./block_sum";
import { put } from "./linear_output";
import { BLOCK_BYTES, INFO_BYTES } from "./quantise";
import { BYTES_BLOCK, SCALES_BLOCK, unpackBytes, unpackScales } from "./unpack";
import { biasOf, blockBytes, halves, Q4_0, Q4_1, Q6_K, Q8_0 } from "./weights";

// From so many rows on, nibbles are unpacked once for all of them.
const ROWS_TO_UNPACK: u32 = 16;

@inline
function mac(sum: v128, w: v128, x: v128): v128 {
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(x, w, sum);
}

// Whether bytes multiply exactly: `at` has room for 32 bytes.
export function multipliesBytesExactly(at: usize): bool {
  v128.store(at, i8x16.splat(-1));
  v128.store(at, i8x16.splat(127), 16);
  let sum = i32x4.splat(0);
  for (let i = 0; i < 3; i++) sum = mac(sum, v128.load(at), v128.load(at, 16));
  v128.store(at, sum);
  for (let lane: usize = 0; lane < 4; lane++) {
    if (load<i32>(at + lane * 4) != 3 * 4 * 255 * 127) return false;
  }
  return true;
}

// A stored panel by all rows.
export function multiplyBytes(
  op: usize,
  format: u32,
  panel: usize,
  scratch: usize,
  rows: u32,
  first: u32,
): void {
  if (format == Q6_K) return multiplyHalves(op, panel, scratch, rows, first);
  if (rows == 1) {
    if (format == Q8_0) one(op, Q8_0, panel, 0, first, false);
    else if (format == Q4_1) one(op, Q4_1, panel, 0, first, true);
    else one(op, Q4_0, panel, 0, first, true);
    return;
  }
  const columns = load<u32>(op, 28);
  const scales = scratch + (columns >> 5) * BYTES_BLOCK;
  unpackScales(format, panel, scales, columns);
  const isUnpacked = format != Q8_0 && rows >= ROWS_TO_UNPACK;
  if (isUnpacked) unpackBytes(format, panel, scratch, columns);
  let row: u32 = 0;
  for (; row + 2 <= rows; row += 2) {
    if (format == Q8_0) two(op, Q8_0, panel, scales, row, first, false, 272);
    else if (isUnpacked) {
      if (format == Q4_1) two(op, Q4_1, scratch, scales, row, first, false, BYTES_BLOCK);
      else two(op, Q4_0, scratch, scales, row, first, false, BYTES_BLOCK);
    } else {
      if (format == Q4_1) two(op, Q4_1, panel, scales, row, first, true, 160);
      else two(op, Q4_0, panel, scales, row, first, true, 144);
    }
  }
  if (row == rows) return;
  if (format == Q8_0) one(op, Q8_0, panel, row, first, false);
  else if (format == Q4_1) one(op, Q4_1, panel, row, first, true);
  else one(op, Q4_0, panel, row, first, true);
}

// The block's integer: both products joined, the bias of the weights taken out.
@inline
function integerOf(high: v128, low: v128, total: v128, bias: i32): v128 {
  const sum = i32x4.add(i32x4.shl(high, 8), low);
  return bias == 0 ? sum : i32x4.sub(sum, i32x4.mul(total, i32x4.splat(bias)));
}

@inline
function join(
  sum: v128,
  format: u32,
  high: v128,
  low: v128,
  d: v128,
  m: v128,
  info: usize,
): v128 {
  if (format == Q4_1) {
    const integer = integerOf(high, low, high, 0);
    return joinBlockWithMinimum(sum, integer, d, m, totalFloatOf(info), scaleOf(info));
  }
  return joinBlock(sum, integerOf(high, low, totalOf(info), biasOf(format)), d, scaleOf(info));
}

// One row, scales as stored.
@inline
function one(
  op: usize,
  format: u32,
  w: usize,
  row: u32,
  first: u32,
  isNibbles: bool,
): void {
  const blocks = load<u32>(op, 28) >> 5;
  let q = load<usize>(op, 40) + row * blocks * BLOCK_BYTES;
  let info = load<usize>(op, 44) + row * blocks * INFO_BYTES;
  const mask = i8x16.splat(15);
  let a = f32x4.splat(0);
  let b = f32x4.splat(0);
  for (const end = info + blocks * INFO_BYTES; info < end; info += INFO_BYTES) {
    let highA = i32x4.splat(0), lowA = i32x4.splat(0);
    let highB = i32x4.splat(0), lowB = i32x4.splat(0);
    if (isNibbles) {
      for (const stop = q + 16; q < stop; q += 4) {
        const pairsA = v128.load(w);
        const pairsB = v128.load(w, 16);
        let wA = v128.and(pairsA, mask);
        let wB = v128.and(pairsB, mask);
        let x = v128.load32_splat(q);
        highA = mac(highA, wA, x);
        highB = mac(highB, wB, x);
        x = v128.load32_splat(q, 32);
        lowA = mac(lowA, wA, x);
        lowB = mac(lowB, wB, x);
        wA = v128.and(i16x8.shr_u(pairsA, 4), mask);
        wB = v128.and(i16x8.shr_u(pairsB, 4), mask);
        x = v128.load32_splat(q, 16);
        highA = mac(highA, wA, x);
        highB = mac(highB, wB, x);
        x = v128.load32_splat(q, 48);
        lowA = mac(lowA, wA, x);
        lowB = mac(lowB, wB, x);
        w += 32;
      }
      q += 48;
    } else {
      for (const stop = q + 32; q < stop; q += 4) {
        const wA = v128.load(w);
        const wB = v128.load(w, 16);
        let x = v128.load32_splat(q);
        highA = mac(highA, wA, x);
        highB = mac(highB, wB, x);
        x = v128.load32_splat(q, 32);
        lowA = mac(lowA, wA, x);
        lowB = mac(lowB, wB, x);
        w += 32;
      }
      q += 32;
    }
    const d = v128.load(w);
    const m = format == Q4_1 ? v128.load(w, 16) : d;
    const dA = halves(i32x4.extend_low_i16x8_s(d));
    const dB = halves(i32x4.extend_high_i16x8_s(d));
    const mA = halves(i32x4.extend_low_i16x8_s(m));
    const mB = halves(i32x4.extend_high_i16x8_s(m));
    a = join(a, format, highA, lowA, dA, mA, info);
    b = join(b, format, highB, lowB, dB, mB, info);
    w += format == Q4_1 ? 32 : 16;
  }
  put(op, row, first, a, b);
}

// Two rows, scales unpacked. `step` is the bytes from a block of `w` to the next.
@inline
function two(
  op: usize,
  format: u32,
  w: usize,
  scales: usize,
  row: u32,
  first: u32,
  isNibbles: bool,
  step: usize,
): void {
  const blocks = load<u32>(op, 28) >> 5;
  const infoStep = blocks * INFO_BYTES;
  let q = load<usize>(op, 40) + row * blocks * BLOCK_BYTES;
  let p = q + blocks * BLOCK_BYTES;
  let info = load<usize>(op, 44) + row * infoStep;
  const mask = i8x16.splat(15);
  let a0 = f32x4.splat(0), b0 = f32x4.splat(0);
  let a1 = f32x4.splat(0), b1 = f32x4.splat(0);
  for (const end = info + infoStep; info < end; info += INFO_BYTES) {
    let highA0 = i32x4.splat(0), lowA0 = i32x4.splat(0);
    let highB0 = i32x4.splat(0), lowB0 = i32x4.splat(0);
    let highA1 = i32x4.splat(0), lowA1 = i32x4.splat(0);
    let highB1 = i32x4.splat(0), lowB1 = i32x4.splat(0);
    if (isNibbles) {
      for (const stop = q + 16; q < stop; q += 4) {
        const pairsA = v128.load(w);
        const pairsB = v128.load(w, 16);
        let wA = v128.and(pairsA, mask);
        let wB = v128.and(pairsB, mask);
        let x = v128.load32_splat(q);
        highA0 = mac(highA0, wA, x);
        highB0 = mac(highB0, wB, x);
        x = v128.load32_splat(q, 32);
        lowA0 = mac(lowA0, wA, x);
        lowB0 = mac(lowB0, wB, x);
        x = v128.load32_splat(p);
        highA1 = mac(highA1, wA, x);
        highB1 = mac(highB1, wB, x);
        x = v128.load32_splat(p, 32);
        lowA1 = mac(lowA1, wA, x);
        lowB1 = mac(lowB1, wB, x);
        wA = v128.and(i16x8.shr_u(pairsA, 4), mask);
        wB = v128.and(i16x8.shr_u(pairsB, 4), mask);
        x = v128.load32_splat(q, 16);
        highA0 = mac(highA0, wA, x);
        highB0 = mac(highB0, wB, x);
        x = v128.load32_splat(q, 48);
        lowA0 = mac(lowA0, wA, x);
        lowB0 = mac(lowB0, wB, x);
        x = v128.load32_splat(p, 16);
        highA1 = mac(highA1, wA, x);
        highB1 = mac(highB1, wB, x);
        x = v128.load32_splat(p, 48);
        lowA1 = mac(lowA1, wA, x);
        lowB1 = mac(lowB1, wB, x);
        w += 32;
        p += 4;
      }
      q += 48;
      p += 48;
      w += step - 128;
    } else {
      for (const stop = q + 32; q < stop; q += 4) {
        const wA = v128.load(w);
        const wB = v128.load(w, 16);
        let x = v128.load32_splat(q);
        highA0 = mac(highA0, wA, x);
        highB0 = mac(highB0, wB, x);
        x = v128.load32_splat(q, 32);
        lowA0 = mac(lowA0, wA, x);
        lowB0 = mac(lowB0, wB, x);
        x = v128.load32_splat(p);
        highA1 = mac(highA1, wA, x);
        highB1 = mac(highB1, wB, x);
        x = v128.load32_splat(p, 32);
        lowA1 = mac(lowA1, wA, x);
        lowB1 = mac(lowB1, wB, x);
        w += 32;
        p += 4;
      }
      q += 32;
      p += 32;
      w += step - 256;
    }
    const dA = v128.load(scales);
    const dB = v128.load(scales, 16);
    const mA = v128.load(scales, 32);
    const mB = v128.load(scales, 48);
    a0 = join(a0, format, highA0, lowA0, dA, mA, info);
    b0 = join(b0, format, highB0, lowB0, dB, mB, info);
    a1 = join(a1, format, highA1, lowA1, dA, mA, info + infoStep);
    b1 = join(b1, format, highB1, lowB1, dB, mB, info + infoStep);
    scales += SCALES_BLOCK;
  }
  put(op, row, first, a0, b0);
  put(op, row + 1, first, a1, b1);
}

// Q6_K: scales of 16 columns.
function multiplyHalves(op: usize, panel: usize, scratch: usize, rows: u32, first: u32): void {
  const columns = load<u32>(op, 28);
  const blocks = columns >> 5;
  const bias = biasOf(Q6_K);
  unpackScales(Q6_K, panel, scratch, columns);
  let q = load<usize>(op, 40);
  let info = load<usize>(op, 44);
  for (let row: u32 = 0; row < rows; row++) {
    let w = panel;
    let scales = scratch;
    let a = f32x4.splat(0);
    let b = f32x4.splat(0);
    for (let half: u32 = 0; half < 2 * blocks; half++) {
      let highA = i32x4.splat(0), lowA = i32x4.splat(0);
      let highB = i32x4.splat(0), lowB = i32x4.splat(0);
      for (const stop = q + 16; q < stop; q += 4) {
        const wA = v128.load(w);
        const wB = v128.load(w, 16);
        let x = v128.load32_splat(q);
        highA = mac(highA, wA, x);
        highB = mac(highB, wB, x);
        x = v128.load32_splat(q, 32);
        lowA = mac(lowA, wA, x);
        lowB = mac(lowB, wB, x);
        w += 32;
      }
      const isSecond = (half & 1) != 0;
      const total = isSecond ? secondHalfOf(info) : firstHalfOf(info);
      const scale = scaleOf(info);
      a = joinBlock(a, integerOf(highA, lowA, total, bias), v128.load(scales), scale);
      b = joinBlock(b, integerOf(highB, lowB, total, bias), v128.load(scales, 16), scale);
      scales += SCALES_BLOCK / 2;
      if (isSecond) {
        q += BLOCK_BYTES / 2;
        w += blockBytes(Q6_K) - 256;
        info += INFO_BYTES;
      }
    }
    put(op, row, first, a, b);
  }
}
