// Quantised panels by one quantised row with the dot product of words (see dot.as), block after
// block, nothing unpacked to memory.
//
// The format is constant in each kernel. Masks are read from the operation's record: V8 would make a
// constant anew at every use.

import { words16 } from "./dot";
import { joined, joinedHalves } from "./join";
import { put } from "./linear_output";
import { BLOCK_BYTES, INFO_BYTES } from "./quantise";
import { halves, Q4_0, Q4_1, Q6_K, Q8_0 } from "./weights";

// Multiplies a stored panel by row `row`. A function for each kernel: arms of one `if` would be
// folded into one kernel that decides at run time.
export function multiplyRow(op: usize, format: u32, panel: usize, row: u32, first: u32): void {
  if (format == Q8_0) q8(op, panel, row, first);
  else if (format == Q4_0) q4(op, panel, row, first);
  else if (format == Q4_1) q4Offset(op, panel, row, first);
  else q6(op, panel, row, first);
}

function q8(op: usize, panel: usize, row: u32, first: u32): void {
  oneByBytes(op, Q8_0, panel, row, first);
}

function q4(op: usize, panel: usize, row: u32, first: u32): void {
  oneByNibbles(op, Q4_0, panel, row, first);
}

function q4Offset(op: usize, panel: usize, row: u32, first: u32): void {
  oneByNibbles(op, Q4_1, panel, row, first);
}

function q6(op: usize, panel: usize, row: u32, first: u32): void {
  oneByBytes(op, Q6_K, panel, row, first);
}

@inline
function oneByNibbles(
  op: usize,
  format: u32,
  panel: usize,
  row: u32,
  first: u32,
): void {
  const blocks = load<u32>(op, 28) >> 5;
  let q = load<usize>(op, 40) + row * blocks * BLOCK_BYTES;
  let info = load<usize>(op, 44) + row * blocks * INFO_BYTES;
  const low = v128.load32_splat(op, 80), lowByte = v128.load32_splat(op, 84);
  const halfBits = v128.load32_splat(op, 88), halfFactor = v128.load32_splat(op, 92);
  let a = f32x4.splat(0), b = f32x4.splat(0);
  for (const end = info + blocks * INFO_BYTES; info < end; info += INFO_BYTES) {
    const x0 = v128.load(q), x1 = v128.load(q, 16), x2 = v128.load(q, 32), x3 = v128.load(q, 48);
    const facts = v128.load(info);
    const d = v128.load(panel, 128);
    const m = format == Q4_1 ? v128.load(panel, 144) : d;
    a = joined(
      a,
      format,
      nibbles(
        v128.load(panel),
        v128.load(panel, 32),
        v128.load(panel, 64),
        v128.load(panel, 96),
        x0,
        x1,
        x2,
        x3,
        low,
        lowByte,
      ),
      halves(i32x4.extend_low_i16x8_s(d), halfBits, halfFactor),
      halves(i32x4.extend_low_i16x8_s(m), halfBits, halfFactor),
      facts,
    );
    b = joined(
      b,
      format,
      nibbles(
        v128.load(panel, 16),
        v128.load(panel, 48),
        v128.load(panel, 80),
        v128.load(panel, 112),
        x0,
        x1,
        x2,
        x3,
        low,
        lowByte,
      ),
      halves(i32x4.extend_high_i16x8_s(d), halfBits, halfFactor),
      halves(i32x4.extend_high_i16x8_s(m), halfBits, halfFactor),
      facts,
    );
    panel += format == Q4_1 ? 160 : 144;
    q += BLOCK_BYTES;
  }
  put(op, row, first, a, b);
}

// The products of 32 columns of nibbles: low ones are columns 0 to 15, high ones 16 to 31.
@inline
function nibbles(
  w0: v128,
  w1: v128,
  w2: v128,
  w3: v128,
  x0: v128,
  x1: v128,
  x2: v128,
  x3: v128,
  low: v128,
  lowByte: v128,
): v128 {
  return i32x4.add(
    words16(
      v128.and(w0, low),
      v128.and(w1, low),
      v128.and(w2, low),
      v128.and(w3, low),
      x0,
      x1,
      lowByte,
    ),
    words16(
      v128.and(i16x8.shr_u(w0, 4), low),
      v128.and(i16x8.shr_u(w1, 4), low),
      v128.and(i16x8.shr_u(w2, 4), low),
      v128.and(i16x8.shr_u(w3, 4), low),
      x2,
      x3,
      lowByte,
    ),
  );
}

@inline
function oneByBytes(
  op: usize,
  format: u32,
  panel: usize,
  row: u32,
  first: u32,
): void {
  const blocks = load<u32>(op, 28) >> 5;
  const superScales = panel + blocks * 272;
  let q = load<usize>(op, 40) + row * blocks * BLOCK_BYTES;
  let info = load<usize>(op, 44) + row * blocks * INFO_BYTES;
  const lowByte = v128.load32_splat(op, 84);
  const halfBits = v128.load32_splat(op, 88), halfFactor = v128.load32_splat(op, 92);
  let a = f32x4.splat(0), b = f32x4.splat(0);
  for (let block: u32 = 0; block < blocks; block++) {
    const x0 = v128.load(q), x1 = v128.load(q, 16), x2 = v128.load(q, 32), x3 = v128.load(q, 48);
    const facts = v128.load(info);
    const small = v128.load(panel, 256);
    const d = format == Q6_K ? v128.load(superScales + (block >> 3) * 16) : small;
    const firstA = bytes16Columns(panel, x0, x1, lowByte);
    const secondA = bytes16Columns(panel + 128, x2, x3, lowByte);
    const firstB = bytes16Columns(panel + 16, x0, x1, lowByte);
    const secondB = bytes16Columns(panel + 144, x2, x3, lowByte);
    const dA = halves(i32x4.extend_low_i16x8_s(d), halfBits, halfFactor);
    const dB = halves(i32x4.extend_high_i16x8_s(d), halfBits, halfFactor);
    if (format == Q6_K) {
      a = joinedHalves(a, firstA, secondA, dA, small, 0, facts);
      b = joinedHalves(b, firstB, secondB, dB, small, 4, facts);
    } else {
      a = joined(a, Q8_0, i32x4.add(firstA, secondA), dA, dA, facts);
      b = joined(b, Q8_0, i32x4.add(firstB, secondB), dB, dB, facts);
    }
    panel += 272;
    q += BLOCK_BYTES;
    info += INFO_BYTES;
  }
  put(op, row, first, a, b);
}

// 16 columns of bytes.
@inline
function bytes16Columns(panel: usize, x0: v128, x1: v128, lowByte: v128): v128 {
  return words16(
    v128.load(panel),
    v128.load(panel, 32),
    v128.load(panel, 64),
    v128.load(panel, 96),
    x0,
    x1,
    lowByte,
  );
}
