// Quantised panels by two rows at a time with the dot product of bytes (see dot.as).
//
// Activations are loaded four bytes to all rows: with two rows the registers hold all sums, and
// shuffles of whole vectors would push them out.

import { multiplyBytes } from "./dot";
import { joined } from "./join";
import { put } from "./linear_output";
import { BLOCK_BYTES, INFO_BYTES } from "./quantise";
import { SCALES_BLOCK, unpackBytes, unpackScales } from "./unpack";
import { Q4_0, Q4_1, Q8_0 } from "./weights";

// From so many rows on, nibbles are unpacked once for all of them.
const ROWS_TO_UNPACK: u32 = 8;

// Multiplies a stored panel by rows 0 to `rows`, an even number.
export function multiplyRowsByBytes(
  op: usize,
  format: u32,
  panel: usize,
  scratch: usize,
  rows: u32,
  first: u32,
): void {
  const columns = load<u32>(op, 28);
  const scales = scratch + columns * 8;
  unpackScales(op, format, panel, scales, columns);
  const isUnpacked = format != Q8_0 && rows >= ROWS_TO_UNPACK;
  if (isUnpacked) unpackBytes(op, format, panel, scratch, columns);
  for (let row: u32 = 0; row < rows; row += 2) {
    if (format == Q8_0) q8(op, panel, scales, row, first);
    else if (isUnpacked && format == Q4_1) q4OffsetUnpacked(op, scratch, scales, row, first);
    else if (isUnpacked) q4Unpacked(op, scratch, scales, row, first);
    else if (format == Q4_1) q4Offset(op, panel, scales, row, first);
    else q4(op, panel, scales, row, first);
  }
}

function q8(op: usize, w: usize, scales: usize, row: u32, first: u32): void {
  two(op, Q8_0, w, scales, row, first, false, 272);
}

function q4(op: usize, w: usize, scales: usize, row: u32, first: u32): void {
  two(op, Q4_0, w, scales, row, first, true, 144);
}

function q4Offset(op: usize, w: usize, scales: usize, row: u32, first: u32): void {
  two(op, Q4_1, w, scales, row, first, true, 160);
}

function q4Unpacked(op: usize, w: usize, scales: usize, row: u32, first: u32): void {
  two(op, Q4_0, w, scales, row, first, false, 256);
}

function q4OffsetUnpacked(op: usize, w: usize, scales: usize, row: u32, first: u32): void {
  two(op, Q4_1, w, scales, row, first, false, 256);
}

@inline
function integerOf(high: v128, low: v128): v128 {
  return i32x4.add(i32x4.shl(high, 8), low);
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
  const mask = v128.load32_splat(op, 80);
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
        highA0 = multiplyBytes(highA0, wA, x);
        highB0 = multiplyBytes(highB0, wB, x);
        x = v128.load32_splat(q, 32);
        lowA0 = multiplyBytes(lowA0, wA, x);
        lowB0 = multiplyBytes(lowB0, wB, x);
        x = v128.load32_splat(p);
        highA1 = multiplyBytes(highA1, wA, x);
        highB1 = multiplyBytes(highB1, wB, x);
        x = v128.load32_splat(p, 32);
        lowA1 = multiplyBytes(lowA1, wA, x);
        lowB1 = multiplyBytes(lowB1, wB, x);
        wA = v128.and(i16x8.shr_u(pairsA, 4), mask);
        wB = v128.and(i16x8.shr_u(pairsB, 4), mask);
        x = v128.load32_splat(q, 16);
        highA0 = multiplyBytes(highA0, wA, x);
        highB0 = multiplyBytes(highB0, wB, x);
        x = v128.load32_splat(q, 48);
        lowA0 = multiplyBytes(lowA0, wA, x);
        lowB0 = multiplyBytes(lowB0, wB, x);
        x = v128.load32_splat(p, 16);
        highA1 = multiplyBytes(highA1, wA, x);
        highB1 = multiplyBytes(highB1, wB, x);
        x = v128.load32_splat(p, 48);
        lowA1 = multiplyBytes(lowA1, wA, x);
        lowB1 = multiplyBytes(lowB1, wB, x);
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
        highA0 = multiplyBytes(highA0, wA, x);
        highB0 = multiplyBytes(highB0, wB, x);
        x = v128.load32_splat(q, 32);
        lowA0 = multiplyBytes(lowA0, wA, x);
        lowB0 = multiplyBytes(lowB0, wB, x);
        x = v128.load32_splat(p);
        highA1 = multiplyBytes(highA1, wA, x);
        highB1 = multiplyBytes(highB1, wB, x);
        x = v128.load32_splat(p, 32);
        lowA1 = multiplyBytes(lowA1, wA, x);
        lowB1 = multiplyBytes(lowB1, wB, x);
        w += 32;
        p += 4;
      }
      q += 32;
      p += 32;
      w += step - 256;
    }
    const dA = v128.load(scales), dB = v128.load(scales, 16);
    const mA = v128.load(scales, 32), mB = v128.load(scales, 48);
    const facts0 = v128.load(info), facts1 = v128.load(info + infoStep);
    a0 = joined(a0, format, integerOf(highA0, lowA0), dA, mA, facts0);
    b0 = joined(b0, format, integerOf(highB0, lowB0), dB, mB, facts0);
    a1 = joined(a1, format, integerOf(highA1, lowA1), dA, mA, facts1);
    b1 = joined(b1, format, integerOf(highB1, lowB1), dB, mB, facts1);
    scales += SCALES_BLOCK;
  }
  put(op, row, first, a0, b0);
  put(op, row + 1, first, a1, b1);
}
