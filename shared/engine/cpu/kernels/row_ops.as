// Operations on single rows: the embedding's lookup, the norm, the gated unit.
//
// `q` 0 in an operation means that nothing reads its result quantised. Parameters are words from 16
// bytes into the record.

import { take } from "./barrier";
import { exp4, sum4 } from "./exponential";
import { INFO_BYTES, quantiseRow } from "./quantise";
import { weightAt } from "./weights";

// Step rows: 16 bytes each, (token, position, first entry of the block table, unused).
// Parameters: format, weights, panel bytes, columns, rows, y.
export function embed(op: usize): void {
  const count = load<u32>(load<usize>(op, 4));
  const format = load<u32>(op, 16);
  const weights = load<usize>(op, 20);
  const panelBytes = load<u32>(op, 24);
  const columns = load<u32>(op, 28);
  const rows = load<usize>(op, 32);
  const y = load<usize>(op, 36);
  for (let row = take(op); row < count; row = take(op)) {
    const token = load<u32>(rows + row * 16);
    const panel = weights + (token >> 3) * panelBytes;
    const at = y + row * columns * 4;
    for (let k: u32 = 0; k < columns; k++) {
      store<f32>(at + k * 4, weightAt(format, panel, token & 7, k, columns));
    }
  }
}

// y = x / sqrt(mean(x^2) + epsilon) * weight. With `gather`, row i reads row gather[i] of x.
// Parameters: x, weight, columns, epsilon, gather or 0, y, q or 0, info, isBytes.
export function normalise(op: usize): void {
  const count = load<u32>(load<usize>(op, 4));
  const x = load<usize>(op, 16);
  const weight = load<usize>(op, 20);
  const columns = load<u32>(op, 24);
  const epsilon = load<f32>(op, 28);
  const gather = load<usize>(op, 32);
  const y = load<usize>(op, 36);
  const bytes = columns * 4;
  for (let row = take(op); row < count; row = take(op)) {
    const from = x + (gather != 0 ? load<u32>(gather + row * 4) : row) * bytes;
    const to = y + row * bytes;
    let squares0 = f32x4.splat(0);
    let squares1 = f32x4.splat(0);
    let k: u32 = 0;
    for (; k + 32 <= bytes; k += 32) {
      const a = v128.load(from + k);
      const b = v128.load(from + k, 16);
      squares0 = f32x4.add(squares0, f32x4.mul(a, a));
      squares1 = f32x4.add(squares1, f32x4.mul(b, b));
    }
    let squares = sum4(f32x4.add(squares0, squares1));
    for (; k < bytes; k += 4) {
      const value = load<f32>(from + k);
      squares += value * value;
    }
    const scale: f32 = 1 / sqrt<f32>(squares / <f32>columns + epsilon);
    const scales = f32x4.splat(scale);
    for (k = 0; k + 16 <= bytes; k += 16) {
      const value = f32x4.mul(v128.load(from + k), scales);
      v128.store(to + k, f32x4.mul(value, v128.load(weight + k)));
    }
    for (; k < bytes; k += 4) store<f32>(to + k, load<f32>(from + k) * scale * load<f32>(weight + k));
    quantise(op, row, to, columns);
  }
}

// y = silu(gate) * up. Parameters: gate and up [rows, 2 * columns], -, columns, -, -, y, q or 0,
// info, isBytes.
export function swiglu(op: usize): void {
  const count = load<u32>(load<usize>(op, 4));
  const x = load<usize>(op, 16);
  const columns = load<u32>(op, 24);
  const y = load<usize>(op, 36);
  const bytes = columns * 4;
  const one = f32x4.splat(1);
  for (let row = take(op); row < count; row = take(op)) {
    const gate = x + row * bytes * 2;
    const up = gate + bytes;
    const to = y + row * bytes;
    let k: u32 = 0;
    for (; k + 16 <= bytes; k += 16) {
      const g = v128.load(gate + k);
      const silu = f32x4.div(g, f32x4.add(one, exp4(f32x4.neg(g))));
      v128.store(to + k, f32x4.mul(silu, v128.load(up + k)));
    }
    for (; k < bytes; k += 4) {
      const g = v128.load32_splat(gate + k);
      const silu = f32x4.div(g, f32x4.add(one, exp4(f32x4.neg(g))));
      store<f32>(to + k, f32x4.extract_lane(silu, 0) * load<f32>(up + k));
    }
    quantise(op, row, to, columns);
  }
}

// The row's result quantised, where a matrix with quantised weights reads it.
@inline
export function quantise(op: usize, row: u32, y: usize, columns: u32): void {
  const q = load<usize>(op, 40);
  if (q == 0) return;
  const info = load<usize>(op, 44) + row * (columns / 32) * INFO_BYTES;
  quantiseRow(y, q + row * columns * 2, info, columns, load<u32>(op, 48) != 0);
}
