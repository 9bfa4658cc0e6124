// Quantised panels by one to four quantised rows with the dot product of bytes (see dot.as).
//
// A panel's rows 0 to 3 are the lanes of A, rows 4 to 7 those of B. Weights stay in registers for
// all activation rows. A vector of activations is loaded once and spread by shuffles, of which four
// run in a cycle: vector loads, of which two do, are what is scarce, spilled registers included.
//
// The order of statements is that of the machine code, as long as variables are set again and
// again: a value that is used once would move to its use, and registers would not suffice. Masks
// are read from the operation's record: V8 would make a constant anew at every use.

import { addBytes as mac, spread } from "./dot";
import { joined, joinedHalves } from "./join";
import { put } from "./linear_output";
import { BLOCK_BYTES, INFO_BYTES } from "./quantise";
import { blockBytes, halves, Q4_0, Q4_1, Q6_K, Q8_0 } from "./weights";

// Multiplies a stored panel by all rows. A function for each kernel: arms of one `if` would be
// folded into one kernel that decides at run time.
export function multiplyByBytes(op: usize, format: u32, panel: usize, rows: u32, first: u32): void {
  let row: u32 = 0;
  for (; row + 4 <= rows; row += 4) {
    if (format == Q4_1) offsetNibbles4(op, panel, row, first);
    else if (format == Q4_0) nibbles4(op, panel, row, first);
    else if (format == Q8_0) bytes4(op, panel, row, first);
    else scaledBytes4(op, panel, row, first);
  }
  if (row + 3 == rows) {
    if (format == Q4_1) offsetNibbles3(op, panel, row, first);
    else if (format == Q4_0) nibbles3(op, panel, row, first);
    else if (format == Q8_0) bytes3(op, panel, row, first);
    else scaledBytes3(op, panel, row, first);
  } else if (row + 2 == rows) {
    if (format == Q4_1) offsetNibbles2(op, panel, row, first);
    else if (format == Q4_0) nibbles2(op, panel, row, first);
    else if (format == Q8_0) bytes2(op, panel, row, first);
    else scaledBytes2(op, panel, row, first);
  } else if (row < rows) {
    if (format == Q4_1) offsetNibbles1(op, panel, row, first);
    else if (format == Q4_0) nibbles1(op, panel, row, first);
    else if (format == Q8_0) bytes1(op, panel, row, first);
    else scaledBytes1(op, panel, row, first);
  }
}

function offsetNibbles1(op: usize, panel: usize, row: u32, first: u32): void {
  oneByNibbles(op, Q4_1, panel, row, first);
}

function offsetNibbles2(op: usize, panel: usize, row: u32, first: u32): void {
  rowsByBytes(op, Q4_1, 2, panel, row, first);
}

function offsetNibbles3(op: usize, panel: usize, row: u32, first: u32): void {
  rowsByBytes(op, Q4_1, 3, panel, row, first);
}

function offsetNibbles4(op: usize, panel: usize, row: u32, first: u32): void {
  rowsByBytes(op, Q4_1, 4, panel, row, first);
}

function nibbles1(op: usize, panel: usize, row: u32, first: u32): void {
  oneByNibbles(op, Q4_0, panel, row, first);
}

function nibbles2(op: usize, panel: usize, row: u32, first: u32): void {
  rowsByBytes(op, Q4_0, 2, panel, row, first);
}

function nibbles3(op: usize, panel: usize, row: u32, first: u32): void {
  rowsByBytes(op, Q4_0, 3, panel, row, first);
}

function nibbles4(op: usize, panel: usize, row: u32, first: u32): void {
  rowsByBytes(op, Q4_0, 4, panel, row, first);
}

function bytes1(op: usize, panel: usize, row: u32, first: u32): void {
  rowsByBytes(op, Q8_0, 1, panel, row, first);
}

function bytes2(op: usize, panel: usize, row: u32, first: u32): void {
  rowsByBytes(op, Q8_0, 2, panel, row, first);
}

function bytes3(op: usize, panel: usize, row: u32, first: u32): void {
  rowsByBytes(op, Q8_0, 3, panel, row, first);
}

function bytes4(op: usize, panel: usize, row: u32, first: u32): void {
  rowsByBytes(op, Q8_0, 4, panel, row, first);
}

function scaledBytes1(op: usize, panel: usize, row: u32, first: u32): void {
  rowsByBytes(op, Q6_K, 1, panel, row, first);
}

function scaledBytes2(op: usize, panel: usize, row: u32, first: u32): void {
  rowsByBytes(op, Q6_K, 2, panel, row, first);
}

function scaledBytes3(op: usize, panel: usize, row: u32, first: u32): void {
  rowsByBytes(op, Q6_K, 3, panel, row, first);
}

function scaledBytes4(op: usize, panel: usize, row: u32, first: u32): void {
  rowsByBytes(op, Q6_K, 4, panel, row, first);
}

// One row, four columns of low and of high nibbles after the other: nothing is kept for later, so
// that all sums stay in registers.
@inline
function oneByNibbles(op: usize, format: u32, panel: usize, row: u32, first: u32): void {
  const blocks = load<u32>(op, 28) >> 5;
  let q = load<usize>(op, 40) + row * blocks * BLOCK_BYTES;
  let info = load<usize>(op, 44) + row * blocks * INFO_BYTES;
  const mask = v128.load32_splat(op, 80);
  const halfBits = v128.load32_splat(op, 88), halfFactor = v128.load32_splat(op, 92);
  let a = f32x4.splat(0), b = f32x4.splat(0);
  for (const end = info + blocks * INFO_BYTES; info < end; info += INFO_BYTES) {
    // Sums of high and of low bytes of the activations.
    let hA = i32x4.splat(0), hB = i32x4.splat(0), lA = i32x4.splat(0), lB = i32x4.splat(0);
    // High bytes of columns 0 to 15, low bytes; of columns 16 to 31.
    const x0 = v128.load(q), x1 = v128.load(q, 32), x2 = v128.load(q, 16), x3 = v128.load(q, 48);
    let y: v128, p: v128, r: v128, v: v128, w: v128;
    p = v128.load(panel), r = v128.load(panel, 16);
    v = v128.and(p, mask), w = v128.and(r, mask);
    y = spread(x0, 0), hA = mac(hA, v, y), hB = mac(hB, w, y);
    y = spread(x1, 0), lA = mac(lA, v, y), lB = mac(lB, w, y);
    v = v128.and(i16x8.shr_u(p, 4), mask), w = v128.and(i16x8.shr_u(r, 4), mask);
    y = spread(x2, 0), hA = mac(hA, v, y), hB = mac(hB, w, y);
    y = spread(x3, 0), lA = mac(lA, v, y), lB = mac(lB, w, y);
    p = v128.load(panel, 32), r = v128.load(panel, 48);
    v = v128.and(p, mask), w = v128.and(r, mask);
    y = spread(x0, 1), hA = mac(hA, v, y), hB = mac(hB, w, y);
    y = spread(x1, 1), lA = mac(lA, v, y), lB = mac(lB, w, y);
    v = v128.and(i16x8.shr_u(p, 4), mask), w = v128.and(i16x8.shr_u(r, 4), mask);
    y = spread(x2, 1), hA = mac(hA, v, y), hB = mac(hB, w, y);
    y = spread(x3, 1), lA = mac(lA, v, y), lB = mac(lB, w, y);
    p = v128.load(panel, 64), r = v128.load(panel, 80);
    v = v128.and(p, mask), w = v128.and(r, mask);
    y = spread(x0, 2), hA = mac(hA, v, y), hB = mac(hB, w, y);
    y = spread(x1, 2), lA = mac(lA, v, y), lB = mac(lB, w, y);
    v = v128.and(i16x8.shr_u(p, 4), mask), w = v128.and(i16x8.shr_u(r, 4), mask);
    y = spread(x2, 2), hA = mac(hA, v, y), hB = mac(hB, w, y);
    y = spread(x3, 2), lA = mac(lA, v, y), lB = mac(lB, w, y);
    p = v128.load(panel, 96), r = v128.load(panel, 112);
    v = v128.and(p, mask), w = v128.and(r, mask);
    y = spread(x0, 3), hA = mac(hA, v, y), hB = mac(hB, w, y);
    y = spread(x1, 3), lA = mac(lA, v, y), lB = mac(lB, w, y);
    v = v128.and(i16x8.shr_u(p, 4), mask), w = v128.and(i16x8.shr_u(r, 4), mask);
    y = spread(x2, 3), hA = mac(hA, v, y), hB = mac(hB, w, y);
    y = spread(x3, 3), lA = mac(lA, v, y), lB = mac(lB, w, y);
    const d = v128.load(panel, 128);
    const m = format == Q4_1 ? v128.load(panel, 144) : d;
    const facts = v128.load(info);
    a = joined(
      a,
      format,
      i32x4.add(i32x4.shl(hA, 8), lA),
      halves(i32x4.extend_low_i16x8_s(d), halfBits, halfFactor),
      halves(i32x4.extend_low_i16x8_s(m), halfBits, halfFactor),
      facts,
    );
    b = joined(
      b,
      format,
      i32x4.add(i32x4.shl(hB, 8), lB),
      halves(i32x4.extend_high_i16x8_s(d), halfBits, halfFactor),
      halves(i32x4.extend_high_i16x8_s(m), halfBits, halfFactor),
      facts,
    );
    panel += blockBytes(format);
    q += BLOCK_BYTES;
  }
  put(op, row, first, a, b);
}

// `count` rows: 1 to 4.
@inline
function rowsByBytes(op: usize, format: u32, count: u32, panel: usize, row: u32, first: u32): void {
  const isNibbles = format == Q4_0 || format == Q4_1;
  const blocks = load<u32>(op, 28) >> 5;
  const qStep = blocks * BLOCK_BYTES;
  const infoStep = blocks * INFO_BYTES;
  const superScales = panel + blocks * 272;
  let q0 = load<usize>(op, 40) + row * qStep;
  let q1 = q0 + qStep, q2 = q1 + qStep, q3 = q2 + qStep;
  let info = load<usize>(op, 44) + row * infoStep;
  const mask = v128.load32_splat(op, 80);
  const halfBits = v128.load32_splat(op, 88), halfFactor = v128.load32_splat(op, 92);
  let a0 = f32x4.splat(0), b0 = f32x4.splat(0);
  let a1 = f32x4.splat(0), b1 = f32x4.splat(0);
  let a2 = f32x4.splat(0), b2 = f32x4.splat(0);
  let a3 = f32x4.splat(0), b3 = f32x4.splat(0);
  for (let block: u32 = 0; block < blocks; block++) {
    // Sums of high and of low bytes of each row's activations.
    let hA0 = i32x4.splat(0), hB0 = i32x4.splat(0), lA0 = i32x4.splat(0), lB0 = i32x4.splat(0);
    let hA1 = i32x4.splat(0), hB1 = i32x4.splat(0), lA1 = i32x4.splat(0), lB1 = i32x4.splat(0);
    let hA2 = i32x4.splat(0), hB2 = i32x4.splat(0), lA2 = i32x4.splat(0), lB2 = i32x4.splat(0);
    let hA3 = i32x4.splat(0), hB3 = i32x4.splat(0), lA3 = i32x4.splat(0), lB3 = i32x4.splat(0);
    let x: v128, y: v128;
    // Columns 0 to 15.
    let v0 = v128.load(panel), w0 = v128.load(panel, 16);
    let v1 = v128.load(panel, 32), w1 = v128.load(panel, 48);
    let v2 = v128.load(panel, 64), w2 = v128.load(panel, 80);
    let v3 = v128.load(panel, 96), w3 = v128.load(panel, 112);
    const p0 = v0, r0 = w0, p1 = v1, r1 = w1, p2 = v2, r2 = w2, p3 = v3, r3 = w3;
    if (isNibbles) {
      v0 = v128.and(v0, mask), w0 = v128.and(w0, mask);
      v1 = v128.and(v1, mask), w1 = v128.and(w1, mask);
      v2 = v128.and(v2, mask), w2 = v128.and(w2, mask);
      v3 = v128.and(v3, mask), w3 = v128.and(w3, mask);
    }
    x = v128.load(q0);
    y = spread(x, 0), hA0 = mac(hA0, v0, y), hB0 = mac(hB0, w0, y);
    y = spread(x, 1), hA0 = mac(hA0, v1, y), hB0 = mac(hB0, w1, y);
    y = spread(x, 2), hA0 = mac(hA0, v2, y), hB0 = mac(hB0, w2, y);
    y = spread(x, 3), hA0 = mac(hA0, v3, y), hB0 = mac(hB0, w3, y);
    x = v128.load(q0, 32);
    y = spread(x, 0), lA0 = mac(lA0, v0, y), lB0 = mac(lB0, w0, y);
    y = spread(x, 1), lA0 = mac(lA0, v1, y), lB0 = mac(lB0, w1, y);
    y = spread(x, 2), lA0 = mac(lA0, v2, y), lB0 = mac(lB0, w2, y);
    y = spread(x, 3), lA0 = mac(lA0, v3, y), lB0 = mac(lB0, w3, y);
    if (count > 1) {
      x = v128.load(q1);
      y = spread(x, 0), hA1 = mac(hA1, v0, y), hB1 = mac(hB1, w0, y);
      y = spread(x, 1), hA1 = mac(hA1, v1, y), hB1 = mac(hB1, w1, y);
      y = spread(x, 2), hA1 = mac(hA1, v2, y), hB1 = mac(hB1, w2, y);
      y = spread(x, 3), hA1 = mac(hA1, v3, y), hB1 = mac(hB1, w3, y);
      x = v128.load(q1, 32);
      y = spread(x, 0), lA1 = mac(lA1, v0, y), lB1 = mac(lB1, w0, y);
      y = spread(x, 1), lA1 = mac(lA1, v1, y), lB1 = mac(lB1, w1, y);
      y = spread(x, 2), lA1 = mac(lA1, v2, y), lB1 = mac(lB1, w2, y);
      y = spread(x, 3), lA1 = mac(lA1, v3, y), lB1 = mac(lB1, w3, y);
    }
    if (count > 2) {
      x = v128.load(q2);
      y = spread(x, 0), hA2 = mac(hA2, v0, y), hB2 = mac(hB2, w0, y);
      y = spread(x, 1), hA2 = mac(hA2, v1, y), hB2 = mac(hB2, w1, y);
      y = spread(x, 2), hA2 = mac(hA2, v2, y), hB2 = mac(hB2, w2, y);
      y = spread(x, 3), hA2 = mac(hA2, v3, y), hB2 = mac(hB2, w3, y);
      x = v128.load(q2, 32);
      y = spread(x, 0), lA2 = mac(lA2, v0, y), lB2 = mac(lB2, w0, y);
      y = spread(x, 1), lA2 = mac(lA2, v1, y), lB2 = mac(lB2, w1, y);
      y = spread(x, 2), lA2 = mac(lA2, v2, y), lB2 = mac(lB2, w2, y);
      y = spread(x, 3), lA2 = mac(lA2, v3, y), lB2 = mac(lB2, w3, y);
    }
    if (count > 3) {
      x = v128.load(q3);
      y = spread(x, 0), hA3 = mac(hA3, v0, y), hB3 = mac(hB3, w0, y);
      y = spread(x, 1), hA3 = mac(hA3, v1, y), hB3 = mac(hB3, w1, y);
      y = spread(x, 2), hA3 = mac(hA3, v2, y), hB3 = mac(hB3, w2, y);
      y = spread(x, 3), hA3 = mac(hA3, v3, y), hB3 = mac(hB3, w3, y);
      x = v128.load(q3, 32);
      y = spread(x, 0), lA3 = mac(lA3, v0, y), lB3 = mac(lB3, w0, y);
      y = spread(x, 1), lA3 = mac(lA3, v1, y), lB3 = mac(lB3, w1, y);
      y = spread(x, 2), lA3 = mac(lA3, v2, y), lB3 = mac(lB3, w2, y);
      y = spread(x, 3), lA3 = mac(lA3, v3, y), lB3 = mac(lB3, w3, y);
    }
    const firstA0 = hA0, firstB0 = hB0, lowA0 = lA0, lowB0 = lB0;
    const firstA1 = hA1, firstB1 = hB1, lowA1 = lA1, lowB1 = lB1;
    const firstA2 = hA2, firstB2 = hB2, lowA2 = lA2, lowB2 = lB2;
    const firstA3 = hA3, firstB3 = hB3, lowA3 = lA3, lowB3 = lB3;
    if (format == Q6_K) {
      // Each half has a scale of its own.
      hA0 = i32x4.splat(0), hB0 = i32x4.splat(0), lA0 = i32x4.splat(0), lB0 = i32x4.splat(0);
      hA1 = i32x4.splat(0), hB1 = i32x4.splat(0), lA1 = i32x4.splat(0), lB1 = i32x4.splat(0);
      hA2 = i32x4.splat(0), hB2 = i32x4.splat(0), lA2 = i32x4.splat(0), lB2 = i32x4.splat(0);
      hA3 = i32x4.splat(0), hB3 = i32x4.splat(0), lA3 = i32x4.splat(0), lB3 = i32x4.splat(0);
    }
    // Columns 16 to 31.
    if (isNibbles) {
      v0 = v128.and(i16x8.shr_u(p0, 4), mask), w0 = v128.and(i16x8.shr_u(r0, 4), mask);
      v1 = v128.and(i16x8.shr_u(p1, 4), mask), w1 = v128.and(i16x8.shr_u(r1, 4), mask);
      v2 = v128.and(i16x8.shr_u(p2, 4), mask), w2 = v128.and(i16x8.shr_u(r2, 4), mask);
      v3 = v128.and(i16x8.shr_u(p3, 4), mask), w3 = v128.and(i16x8.shr_u(r3, 4), mask);
    } else {
      v0 = v128.load(panel, 128), w0 = v128.load(panel, 144);
      v1 = v128.load(panel, 160), w1 = v128.load(panel, 176);
      v2 = v128.load(panel, 192), w2 = v128.load(panel, 208);
      v3 = v128.load(panel, 224), w3 = v128.load(panel, 240);
    }
    x = v128.load(q0, 16);
    y = spread(x, 0), hA0 = mac(hA0, v0, y), hB0 = mac(hB0, w0, y);
    y = spread(x, 1), hA0 = mac(hA0, v1, y), hB0 = mac(hB0, w1, y);
    y = spread(x, 2), hA0 = mac(hA0, v2, y), hB0 = mac(hB0, w2, y);
    y = spread(x, 3), hA0 = mac(hA0, v3, y), hB0 = mac(hB0, w3, y);
    x = v128.load(q0, 48);
    y = spread(x, 0), lA0 = mac(lA0, v0, y), lB0 = mac(lB0, w0, y);
    y = spread(x, 1), lA0 = mac(lA0, v1, y), lB0 = mac(lB0, w1, y);
    y = spread(x, 2), lA0 = mac(lA0, v2, y), lB0 = mac(lB0, w2, y);
    y = spread(x, 3), lA0 = mac(lA0, v3, y), lB0 = mac(lB0, w3, y);
    if (count > 1) {
      x = v128.load(q1, 16);
      y = spread(x, 0), hA1 = mac(hA1, v0, y), hB1 = mac(hB1, w0, y);
      y = spread(x, 1), hA1 = mac(hA1, v1, y), hB1 = mac(hB1, w1, y);
      y = spread(x, 2), hA1 = mac(hA1, v2, y), hB1 = mac(hB1, w2, y);
      y = spread(x, 3), hA1 = mac(hA1, v3, y), hB1 = mac(hB1, w3, y);
      x = v128.load(q1, 48);
      y = spread(x, 0), lA1 = mac(lA1, v0, y), lB1 = mac(lB1, w0, y);
      y = spread(x, 1), lA1 = mac(lA1, v1, y), lB1 = mac(lB1, w1, y);
      y = spread(x, 2), lA1 = mac(lA1, v2, y), lB1 = mac(lB1, w2, y);
      y = spread(x, 3), lA1 = mac(lA1, v3, y), lB1 = mac(lB1, w3, y);
    }
    if (count > 2) {
      x = v128.load(q2, 16);
      y = spread(x, 0), hA2 = mac(hA2, v0, y), hB2 = mac(hB2, w0, y);
      y = spread(x, 1), hA2 = mac(hA2, v1, y), hB2 = mac(hB2, w1, y);
      y = spread(x, 2), hA2 = mac(hA2, v2, y), hB2 = mac(hB2, w2, y);
      y = spread(x, 3), hA2 = mac(hA2, v3, y), hB2 = mac(hB2, w3, y);
      x = v128.load(q2, 48);
      y = spread(x, 0), lA2 = mac(lA2, v0, y), lB2 = mac(lB2, w0, y);
      y = spread(x, 1), lA2 = mac(lA2, v1, y), lB2 = mac(lB2, w1, y);
      y = spread(x, 2), lA2 = mac(lA2, v2, y), lB2 = mac(lB2, w2, y);
      y = spread(x, 3), lA2 = mac(lA2, v3, y), lB2 = mac(lB2, w3, y);
    }
    if (count > 3) {
      x = v128.load(q3, 16);
      y = spread(x, 0), hA3 = mac(hA3, v0, y), hB3 = mac(hB3, w0, y);
      y = spread(x, 1), hA3 = mac(hA3, v1, y), hB3 = mac(hB3, w1, y);
      y = spread(x, 2), hA3 = mac(hA3, v2, y), hB3 = mac(hB3, w2, y);
      y = spread(x, 3), hA3 = mac(hA3, v3, y), hB3 = mac(hB3, w3, y);
      x = v128.load(q3, 48);
      y = spread(x, 0), lA3 = mac(lA3, v0, y), lB3 = mac(lB3, w0, y);
      y = spread(x, 1), lA3 = mac(lA3, v1, y), lB3 = mac(lB3, w1, y);
      y = spread(x, 2), lA3 = mac(lA3, v2, y), lB3 = mac(lB3, w2, y);
      y = spread(x, 3), lA3 = mac(lA3, v3, y), lB3 = mac(lB3, w3, y);
    }
    const small = isNibbles ? v128.load(panel, 128) : v128.load(panel, 256);
    const d = format == Q6_K ? v128.load(superScales + (block >> 3) * 16) : small;
    const dA = halves(i32x4.extend_low_i16x8_s(d), halfBits, halfFactor);
    const dB = halves(i32x4.extend_high_i16x8_s(d), halfBits, halfFactor);
    const m = format == Q4_1 ? v128.load(panel, 144) : small;
    const mA = format == Q4_1 ? halves(i32x4.extend_low_i16x8_s(m), halfBits, halfFactor) : small;
    const mB = format == Q4_1 ? halves(i32x4.extend_high_i16x8_s(m), halfBits, halfFactor) : small;
    let facts = v128.load(info);
    a0 = whole(a0, format, firstA0, lowA0, hA0, lA0, dA, mA, 0, facts);
    b0 = whole(b0, format, firstB0, lowB0, hB0, lB0, dB, mB, 4, facts);
    q0 += BLOCK_BYTES;
    if (count > 1) {
      facts = v128.load(info + infoStep);
      a1 = whole(a1, format, firstA1, lowA1, hA1, lA1, dA, mA, 0, facts);
      b1 = whole(b1, format, firstB1, lowB1, hB1, lB1, dB, mB, 4, facts);
      q1 += BLOCK_BYTES;
    }
    if (count > 2) {
      facts = v128.load(info + 2 * infoStep);
      a2 = whole(a2, format, firstA2, lowA2, hA2, lA2, dA, mA, 0, facts);
      b2 = whole(b2, format, firstB2, lowB2, hB2, lB2, dB, mB, 4, facts);
      q2 += BLOCK_BYTES;
    }
    if (count > 3) {
      facts = v128.load(info + 3 * infoStep);
      a3 = whole(a3, format, firstA3, lowA3, hA3, lA3, dA, mA, 0, facts);
      b3 = whole(b3, format, firstB3, lowB3, hB3, lB3, dB, mB, 4, facts);
      q3 += BLOCK_BYTES;
    }
    info += INFO_BYTES;
    panel += blockBytes(format);
  }
  put(op, row, first, a0, b0);
  if (count > 1) put(op, row + 1, first, a1, b1);
  if (count > 2) put(op, row + 2, first, a2, b2);
  if (count > 3) put(op, row + 3, first, a3, b3);
}

@inline
function integerOf(high: v128, low: v128): v128 {
  return i32x4.add(i32x4.shl(high, 8), low);
}

// Joins a block: all columns with one scale, or with Q6_K each half, whose small scales `m` holds
// from row `row` on.
@inline
function whole(
  sum: v128,
  format: u32,
  firstHigh: v128,
  firstLow: v128,
  high: v128,
  low: v128,
  d: v128,
  m: v128,
  row: u32,
  facts: v128,
): v128 {
  if (format != Q6_K) return joined(sum, format, integerOf(high, low), d, m, facts);
  const firstHalf = integerOf(firstHigh, firstLow);
  return joinedHalves(sum, firstHalf, integerOf(high, low), d, m, row, facts);
}
