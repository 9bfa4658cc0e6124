// How a block's integers become floats and join a row's result: one definition for all kernels.

import { biasOf, Q4_1, Q6_K } from "./weights";

// sum += scale * (integer * d + total * m); without minimum, the bias leaves the integer instead.
// `facts` are the activations' sums of both halves and of all, and their scale.
@inline
export function joined(sum: v128, format: u32, integer: v128, d: v128, m: v128, facts: v128): v128 {
  const total = v128.shuffle<i32>(facts, facts, 2, 2, 2, 2);
  const scale = v128.shuffle<i32>(facts, facts, 3, 3, 3, 3);
  if (format == Q4_1) {
    const product = f32x4.mul(f32x4.convert_i32x4_s(integer), d);
    const offset = f32x4.mul(f32x4.convert_i32x4_s(total), m);
    return f32x4.add(sum, f32x4.mul(f32x4.add(product, offset), scale));
  }
  return scaled(sum, integer, total, biasOf(format), d, scale);
}

// sum += scale * (integer - bias * total) * d. A bias is a power of two.
@inline
function scaled(sum: v128, integer: v128, total: v128, bias: i32, d: v128, scale: v128): v128 {
  const shifted = i32x4.sub(integer, i32x4.shl(total, ctz(bias)));
  return f32x4.add(sum, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(shifted), d), scale));
}

// Joins both halves of a block of Q6_K, each with its own scale, from row `row` on in `small`.
@inline
export function joinedHalves(
  sum: v128,
  firstHalf: v128,
  secondHalf: v128,
  d: v128,
  small: v128,
  row: u32,
  facts: v128,
): v128 {
  const scale = v128.shuffle<i32>(facts, facts, 3, 3, 3, 3);
  const words = row == 0
    ? v128.shuffle<i32>(small, small, 0, 2, 0, 2)
    : v128.shuffle<i32>(small, small, 1, 3, 1, 3);
  const bits = i16x8.extend_low_i8x16_s(words);
  const d0 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(bits)), d);
  const d1 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(bits)), d);
  const total0 = v128.shuffle<i32>(facts, facts, 0, 0, 0, 0);
  const total1 = v128.shuffle<i32>(facts, facts, 1, 1, 1, 1);
  const half = scaled(sum, firstHalf, total0, biasOf(Q6_K), d0, scale);
  return scaled(half, secondHalf, total1, biasOf(Q6_K), d1, scale);
}
