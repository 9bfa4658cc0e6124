// Quantised panels by one or two quantised rows with the dot product of words (see dot.as), nothing
// unpacked to memory. More rows: linear_rows_words.as.
//
// A panel's rows 0 to 3 are the lanes of a, rows 4 to 7 those of b. What linear_bytes.as says of
// the order of statements and of masks holds here too.

import { addWords as mac, spread } from "./dot";
import { joined, joinedHalves } from "./join";
import { put } from "./linear_output";
import { BLOCK_BYTES, INFO_BYTES } from "./quantise";
import { blockBytes, halves, Q4_0, Q4_1, Q6_K, Q8_0 } from "./weights";

// Multiplies a stored panel by rows `row` to `rows`. A function for each kernel: arms of one `if`
// would be folded into one kernel that decides at run time.
export function multiplyByWords(
  op: usize,
  format: u32,
  panel: usize,
  row: u32,
  rows: u32,
  first: u32,
): void {
  for (; row + 2 <= rows; row += 2) {
    if (format == Q4_1) offsetNibbles2(op, panel, row, first);
    else if (format == Q4_0) nibbles2(op, panel, row, first);
    else if (format == Q8_0) bytes2(op, panel, row, first);
    else scaledBytes2(op, panel, row, first);
  }
  if (row < rows) {
    if (format == Q4_1) offsetNibbles1(op, panel, row, first);
    else if (format == Q4_0) nibbles1(op, panel, row, first);
    else if (format == Q8_0) bytes1(op, panel, row, first);
    else scaledBytes1(op, panel, row, first);
  }
}

function offsetNibbles1(op: usize, panel: usize, row: u32, first: u32): void {
  nibblesByWords(op, Q4_1, 1, panel, row, first);
}

function offsetNibbles2(op: usize, panel: usize, row: u32, first: u32): void {
  nibblesByWords(op, Q4_1, 2, panel, row, first);
}

function nibbles1(op: usize, panel: usize, row: u32, first: u32): void {
  nibblesByWords(op, Q4_0, 1, panel, row, first);
}

function nibbles2(op: usize, panel: usize, row: u32, first: u32): void {
  nibblesByWords(op, Q4_0, 2, panel, row, first);
}

function bytes1(op: usize, panel: usize, row: u32, first: u32): void {
  bytesByWords(op, Q8_0, 1, panel, row, first);
}

function bytes2(op: usize, panel: usize, row: u32, first: u32): void {
  bytesByWords(op, Q8_0, 2, panel, row, first);
}

function scaledBytes1(op: usize, panel: usize, row: u32, first: u32): void {
  bytesByWords(op, Q6_K, 1, panel, row, first);
}

function scaledBytes2(op: usize, panel: usize, row: u32, first: u32): void {
  bytesByWords(op, Q6_K, 2, panel, row, first);
}

// `count` rows: 1 or 2. Four columns of low and of high nibbles after the other.
@inline
function nibblesByWords(
  op: usize,
  format: u32,
  count: u32,
  panel: usize,
  row: u32,
  first: u32,
): void {
  const blocks = load<u32>(op, 28) >> 5;
  const infoStep = blocks * INFO_BYTES;
  let q0 = load<usize>(op, 40) + row * blocks * BLOCK_BYTES;
  let q1 = q0 + blocks * BLOCK_BYTES;
  let info = load<usize>(op, 44) + row * infoStep;
  const low = v128.and(v128.load32_splat(op, 80), v128.load32_splat(op, 84));
  const halfBits = v128.load32_splat(op, 88), halfFactor = v128.load32_splat(op, 92);
  let sumA0 = f32x4.splat(0), sumB0 = f32x4.splat(0);
  let sumA1 = f32x4.splat(0), sumB1 = f32x4.splat(0);
  for (const end = info + infoStep; info < end; info += INFO_BYTES) {
    let a0 = i32x4.splat(0), b0 = i32x4.splat(0), a1 = i32x4.splat(0), b1 = i32x4.splat(0);
    // Activations that low nibbles multiply, and those of high ones.
    let x0: v128, x1 = a1, z0: v128, z1 = a1;
    let y: v128, p: v128, r: v128, v: v128, w: v128;
    x0 = v128.load(q0), z0 = v128.load(q0, 32);
    if (count == 2) x1 = v128.load(q1), z1 = v128.load(q1, 32);
    p = v128.load(panel), r = v128.load(panel, 16);
    v = v128.and(p, low), w = v128.and(r, low);
    y = spread(x0, 0), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 0), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = v128.and(i16x8.shr_u(p, 8), low), w = v128.and(i16x8.shr_u(r, 8), low);
    y = spread(x0, 1), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 1), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = v128.and(i16x8.shr_u(p, 4), low), w = v128.and(i16x8.shr_u(r, 4), low);
    y = spread(z0, 0), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(z1, 0), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = i16x8.shr_u(p, 12), w = i16x8.shr_u(r, 12);
    y = spread(z0, 1), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(z1, 1), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    p = v128.load(panel, 32), r = v128.load(panel, 48);
    v = v128.and(p, low), w = v128.and(r, low);
    y = spread(x0, 2), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 2), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = v128.and(i16x8.shr_u(p, 8), low), w = v128.and(i16x8.shr_u(r, 8), low);
    y = spread(x0, 3), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 3), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = v128.and(i16x8.shr_u(p, 4), low), w = v128.and(i16x8.shr_u(r, 4), low);
    y = spread(z0, 2), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(z1, 2), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = i16x8.shr_u(p, 12), w = i16x8.shr_u(r, 12);
    y = spread(z0, 3), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(z1, 3), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    x0 = v128.load(q0, 16), z0 = v128.load(q0, 48);
    if (count == 2) x1 = v128.load(q1, 16), z1 = v128.load(q1, 48);
    p = v128.load(panel, 64), r = v128.load(panel, 80);
    v = v128.and(p, low), w = v128.and(r, low);
    y = spread(x0, 0), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 0), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = v128.and(i16x8.shr_u(p, 8), low), w = v128.and(i16x8.shr_u(r, 8), low);
    y = spread(x0, 1), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 1), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = v128.and(i16x8.shr_u(p, 4), low), w = v128.and(i16x8.shr_u(r, 4), low);
    y = spread(z0, 0), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(z1, 0), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = i16x8.shr_u(p, 12), w = i16x8.shr_u(r, 12);
    y = spread(z0, 1), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(z1, 1), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    p = v128.load(panel, 96), r = v128.load(panel, 112);
    v = v128.and(p, low), w = v128.and(r, low);
    y = spread(x0, 2), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 2), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = v128.and(i16x8.shr_u(p, 8), low), w = v128.and(i16x8.shr_u(r, 8), low);
    y = spread(x0, 3), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 3), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = v128.and(i16x8.shr_u(p, 4), low), w = v128.and(i16x8.shr_u(r, 4), low);
    y = spread(z0, 2), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(z1, 2), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = i16x8.shr_u(p, 12), w = i16x8.shr_u(r, 12);
    y = spread(z0, 3), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(z1, 3), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    const d = v128.load(panel, 128);
    const m = format == Q4_1 ? v128.load(panel, 144) : d;
    const dA = halves(i32x4.extend_low_i16x8_s(d), halfBits, halfFactor);
    const dB = halves(i32x4.extend_high_i16x8_s(d), halfBits, halfFactor);
    const mA = halves(i32x4.extend_low_i16x8_s(m), halfBits, halfFactor);
    const mB = halves(i32x4.extend_high_i16x8_s(m), halfBits, halfFactor);
    let facts = v128.load(info);
    sumA0 = joined(sumA0, format, a0, dA, mA, facts);
    sumB0 = joined(sumB0, format, b0, dB, mB, facts);
    q0 += BLOCK_BYTES;
    if (count == 2) {
      facts = v128.load(info + infoStep);
      sumA1 = joined(sumA1, format, a1, dA, mA, facts);
      sumB1 = joined(sumB1, format, b1, dB, mB, facts);
      q1 += BLOCK_BYTES;
    }
    panel += blockBytes(format);
  }
  put(op, row, first, sumA0, sumB0);
  if (count == 2) put(op, row + 1, first, sumA1, sumB1);
}

// `count` rows: 1 or 2.
@inline
function bytesByWords(
  op: usize,
  format: u32,
  count: u32,
  panel: usize,
  row: u32,
  first: u32,
): void {
  const blocks = load<u32>(op, 28) >> 5;
  const infoStep = blocks * INFO_BYTES;
  const superScales = panel + blocks * 272;
  let q0 = load<usize>(op, 40) + row * blocks * BLOCK_BYTES;
  let q1 = q0 + blocks * BLOCK_BYTES;
  let info = load<usize>(op, 44) + row * infoStep;
  const low = v128.load32_splat(op, 84);
  const halfBits = v128.load32_splat(op, 88), halfFactor = v128.load32_splat(op, 92);
  let sumA0 = f32x4.splat(0), sumB0 = f32x4.splat(0);
  let sumA1 = f32x4.splat(0), sumB1 = f32x4.splat(0);
  for (let block: u32 = 0; block < blocks; block++) {
    let a0 = i32x4.splat(0), b0 = i32x4.splat(0), a1 = i32x4.splat(0), b1 = i32x4.splat(0);
    let x0: v128, x1 = a1;
    let y: v128, p: v128, r: v128, v: v128, w: v128;
    // Columns 0 to 15.
    x0 = v128.load(q0);
    if (count == 2) x1 = v128.load(q1);
    p = v128.load(panel), r = v128.load(panel, 16);
    v = v128.and(p, low), w = v128.and(r, low);
    y = spread(x0, 0), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 0), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = i16x8.shr_u(p, 8), w = i16x8.shr_u(r, 8);
    y = spread(x0, 1), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 1), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    p = v128.load(panel, 32), r = v128.load(panel, 48);
    v = v128.and(p, low), w = v128.and(r, low);
    y = spread(x0, 2), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 2), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = i16x8.shr_u(p, 8), w = i16x8.shr_u(r, 8);
    y = spread(x0, 3), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 3), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    x0 = v128.load(q0, 16);
    if (count == 2) x1 = v128.load(q1, 16);
    p = v128.load(panel, 64), r = v128.load(panel, 80);
    v = v128.and(p, low), w = v128.and(r, low);
    y = spread(x0, 0), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 0), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = i16x8.shr_u(p, 8), w = i16x8.shr_u(r, 8);
    y = spread(x0, 1), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 1), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    p = v128.load(panel, 96), r = v128.load(panel, 112);
    v = v128.and(p, low), w = v128.and(r, low);
    y = spread(x0, 2), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 2), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = i16x8.shr_u(p, 8), w = i16x8.shr_u(r, 8);
    y = spread(x0, 3), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 3), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    const firstA0 = a0, firstB0 = b0, firstA1 = a1, firstB1 = b1;
    if (format == Q6_K) {
      // Each half has a scale of its own.
      a0 = i32x4.splat(0), b0 = i32x4.splat(0), a1 = i32x4.splat(0), b1 = i32x4.splat(0);
    }
    // Columns 16 to 31.
    x0 = v128.load(q0, 32);
    if (count == 2) x1 = v128.load(q1, 32);
    p = v128.load(panel, 128), r = v128.load(panel, 144);
    v = v128.and(p, low), w = v128.and(r, low);
    y = spread(x0, 0), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 0), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = i16x8.shr_u(p, 8), w = i16x8.shr_u(r, 8);
    y = spread(x0, 1), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 1), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    p = v128.load(panel, 160), r = v128.load(panel, 176);
    v = v128.and(p, low), w = v128.and(r, low);
    y = spread(x0, 2), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 2), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = i16x8.shr_u(p, 8), w = i16x8.shr_u(r, 8);
    y = spread(x0, 3), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 3), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    x0 = v128.load(q0, 48);
    if (count == 2) x1 = v128.load(q1, 48);
    p = v128.load(panel, 192), r = v128.load(panel, 208);
    v = v128.and(p, low), w = v128.and(r, low);
    y = spread(x0, 0), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 0), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = i16x8.shr_u(p, 8), w = i16x8.shr_u(r, 8);
    y = spread(x0, 1), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 1), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    p = v128.load(panel, 224), r = v128.load(panel, 240);
    v = v128.and(p, low), w = v128.and(r, low);
    y = spread(x0, 2), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 2), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    v = i16x8.shr_u(p, 8), w = i16x8.shr_u(r, 8);
    y = spread(x0, 3), a0 = mac(a0, v, y), b0 = mac(b0, w, y);
    if (count == 2) y = spread(x1, 3), a1 = mac(a1, v, y), b1 = mac(b1, w, y);
    const small = v128.load(panel, 256);
    const d = format == Q6_K ? v128.load(superScales + (block >> 3) * 16) : small;
    const dA = halves(i32x4.extend_low_i16x8_s(d), halfBits, halfFactor);
    const dB = halves(i32x4.extend_high_i16x8_s(d), halfBits, halfFactor);
    let facts = v128.load(info);
    sumA0 = whole(sumA0, format, firstA0, a0, dA, small, 0, facts);
    sumB0 = whole(sumB0, format, firstB0, b0, dB, small, 4, facts);
    q0 += BLOCK_BYTES;
    if (count == 2) {
      facts = v128.load(info + infoStep);
      sumA1 = whole(sumA1, format, firstA1, a1, dA, small, 0, facts);
      sumB1 = whole(sumB1, format, firstB1, b1, dB, small, 4, facts);
      q1 += BLOCK_BYTES;
    }
    info += INFO_BYTES;
    panel += 272;
  }
  put(op, row, first, sumA0, sumB0);
  if (count == 2) put(op, row + 1, first, sumA1, sumB1);
}

// Joins a block: all columns with one scale, or with Q6_K each half, whose small scales `small`
// holds from row `row` on.
@inline
function whole(
  sum: v128,
  format: u32,
  firstHalf: v128,
  integer: v128,
  d: v128,
  small: v128,
  row: u32,
  facts: v128,
): v128 {
  if (format == Q6_K) return joinedHalves(sum, firstHalf, integer, d, small, row, facts);
  return joined(sum, format, integer, d, d, facts);
}
