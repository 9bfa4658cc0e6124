// Quantised panels by four rows at a time with the dot product of words (see dot.as), for CPUs
// without the one of bytes.

import { addWords as mac } from "./dot";
import { joined } from "./join";
import { put } from "./linear_output";
import { BLOCK_BYTES, INFO_BYTES } from "./quantise";
import { SCALES_BLOCK, unpackScales, unpackWords } from "./unpack";
import { Q4_0, Q4_1, Q8_0 } from "./weights";

// Multiplies a stored panel by rows 0 to `rows`, a multiple of four.
export function multiplyRowsByWords(
  op: usize,
  format: u32,
  panel: usize,
  scratch: usize,
  rows: u32,
  first: u32,
): void {
  const columns = load<u32>(op, 28);
  const scales = scratch + columns * 16;
  unpackWords(op, format, panel, scratch, columns);
  unpackScales(op, format, panel, scales, columns);
  for (let row: u32 = 0; row < rows; row += 4) {
    if (format == Q8_0) q8(op, scratch, scales, row, first);
    else if (format == Q4_1) q4Offset(op, scratch, scales, row, first);
    else q4(op, scratch, scales, row, first);
  }
}

function q8(op: usize, w: usize, scales: usize, row: u32, first: u32): void {
  four(op, Q8_0, w, scales, row, first);
}

function q4(op: usize, w: usize, scales: usize, row: u32, first: u32): void {
  four(op, Q4_0, w, scales, row, first);
}

function q4Offset(op: usize, w: usize, scales: usize, row: u32, first: u32): void {
  four(op, Q4_1, w, scales, row, first);
}

@inline
function four(
  op: usize,
  format: u32,
  w: usize,
  scales: usize,
  row: u32,
  first: u32,
): void {
  const blocks = load<u32>(op, 28) >> 5;
  const qStep = blocks * BLOCK_BYTES;
  const infoStep = blocks * INFO_BYTES;
  let q = load<usize>(op, 40) + row * qStep;
  let q1 = q + qStep, q2 = q1 + qStep, q3 = q2 + qStep;
  let info = load<usize>(op, 44) + row * infoStep;
  let a0 = f32x4.splat(0), b0 = f32x4.splat(0);
  let a1 = f32x4.splat(0), b1 = f32x4.splat(0);
  let a2 = f32x4.splat(0), b2 = f32x4.splat(0);
  let a3 = f32x4.splat(0), b3 = f32x4.splat(0);
  for (const end = info + infoStep; info < end; info += INFO_BYTES) {
    let sumA0 = i32x4.splat(0), sumB0 = i32x4.splat(0);
    let sumA1 = i32x4.splat(0), sumB1 = i32x4.splat(0);
    let sumA2 = i32x4.splat(0), sumB2 = i32x4.splat(0);
    let sumA3 = i32x4.splat(0), sumB3 = i32x4.splat(0);
    for (const stop = q + BLOCK_BYTES; q < stop; q += 4) {
      const wA = v128.load(w);
      const wB = v128.load(w, 16);
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
      w += 32;
      q1 += 4;
      q2 += 4;
      q3 += 4;
    }
    const dA = v128.load(scales), dB = v128.load(scales, 16);
    const mA = v128.load(scales, 32), mB = v128.load(scales, 48);
    let facts = v128.load(info);
    a0 = joined(a0, format, sumA0, dA, mA, facts);
    b0 = joined(b0, format, sumB0, dB, mB, facts);
    facts = v128.load(info + infoStep);
    a1 = joined(a1, format, sumA1, dA, mA, facts);
    b1 = joined(b1, format, sumB1, dB, mB, facts);
    facts = v128.load(info + 2 * infoStep);
    a2 = joined(a2, format, sumA2, dA, mA, facts);
    b2 = joined(b2, format, sumB2, dB, mB, facts);
    facts = v128.load(info + 3 * infoStep);
    a3 = joined(a3, format, sumA3, dA, mA, facts);
    b3 = joined(b3, format, sumB3, dB, mB, facts);
    scales += SCALES_BLOCK;
  }
  put(op, row, first, a0, b0);
  put(op, row + 1, first, a1, b1);
  put(op, row + 2, first, a2, b2);
  put(op, row + 3, first, a3, b3);
}
