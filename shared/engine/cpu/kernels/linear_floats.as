// Panels of floats, [columns][8 rows], by rows of floats: for F32, F16 and BF16 weights.

import { put } from "./linear_output";
import { BF16, halves } from "./weights";

// F16 or BF16 to floats, for all rows.
export function unpackFloats(op: usize, format: u32, panel: usize, to: usize, columns: u32): void {
  const halfBits = v128.load32_splat(op, 88), halfFactor = v128.load32_splat(op, 92);
  for (let k: u32 = 0; k < columns; k++) {
    const bits = v128.load(panel);
    if (format == BF16) {
      v128.store(to, i32x4.shl(i32x4.extend_low_i16x8_u(bits), 16));
      v128.store(to, i32x4.shl(i32x4.extend_high_i16x8_u(bits), 16), 16);
    } else {
      v128.store(to, halves(i32x4.extend_low_i16x8_s(bits), halfBits, halfFactor));
      v128.store(to, halves(i32x4.extend_high_i16x8_s(bits), halfBits, halfFactor), 16);
    }
    panel += 16;
    to += 32;
  }
}

@inline
function mac(sum: v128, w: v128, x: v128): v128 {
  return f32x4.add(sum, f32x4.mul(w, x));
}

export function multiplyFloats(op: usize, panel: usize, rows: u32, first: u32): void {
  const bytes = load<u32>(op, 28) * 4;
  let x = load<usize>(op, 36);
  let row: u32 = 0;
  for (; row + 4 <= rows; row += 4) {
    four(op, panel, x, bytes, row, first);
    x += 4 * bytes;
  }
  for (; row < rows; row++) {
    one(op, panel, x, bytes, row, first);
    x += bytes;
  }
}

function one(op: usize, panel: usize, x: usize, bytes: u32, row: u32, first: u32): void {
  let a = f32x4.splat(0);
  let b = f32x4.splat(0);
  for (const end = x + bytes; x < end; x += 4) {
    const v = v128.load32_splat(x);
    a = mac(a, v128.load(panel), v);
    b = mac(b, v128.load(panel, 16), v);
    panel += 32;
  }
  put(op, row, first, a, b);
}

function four(op: usize, panel: usize, x: usize, bytes: u32, row: u32, first: u32): void {
  let a0 = f32x4.splat(0), b0 = f32x4.splat(0);
  let a1 = f32x4.splat(0), b1 = f32x4.splat(0);
  let a2 = f32x4.splat(0), b2 = f32x4.splat(0);
  let a3 = f32x4.splat(0), b3 = f32x4.splat(0);
  let x1 = x + bytes, x2 = x1 + bytes, x3 = x2 + bytes;
  for (const end = x + bytes; x < end; x += 4) {
    const a = v128.load(panel);
    const b = v128.load(panel, 16);
    let v = v128.load32_splat(x);
    a0 = mac(a0, a, v);
    b0 = mac(b0, b, v);
    v = v128.load32_splat(x1);
    a1 = mac(a1, a, v);
    b1 = mac(b1, b, v);
    v = v128.load32_splat(x2);
    a2 = mac(a2, a, v);
    b2 = mac(b2, b, v);
    v = v128.load32_splat(x3);
    a3 = mac(a3, a, v);
    b3 = mac(b3, b, v);
    panel += 32;
    x1 += 4;
    x2 += 4;
    x3 += 4;
  }
  put(op, row, first, a0, b0);
  put(op, row + 1, first, a1, b1);
  put(op, row + 2, first, a2, b2);
  put(op, row + 3, first, a3, b3);
}
