// How a block's integer sums become floats and join a row's result: one definition for all kernels.

// sum += scale * integer * d.
@inline
export function joinBlock(sum: v128, integer: v128, d: v128, scale: v128): v128 {
  return f32x4.add(sum, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(integer), d), scale));
}

// sum += scale * (integer * d + total * m), with `total` the sum of the block's activations.
@inline
export function joinBlockWithMinimum(
  sum: v128,
  integer: v128,
  d: v128,
  m: v128,
  total: v128,
  scale: v128,
): v128 {
  const product = f32x4.mul(f32x4.convert_i32x4_s(integer), d);
  return f32x4.add(sum, f32x4.mul(f32x4.add(product, f32x4.mul(total, m)), scale));
}

// The block's info as vectors: sums of all 32 and of both halves, the sum as floats, the scale.
@inline
export function totalOf(info: usize): v128 {
  return v128.load32_splat(info, 8);
}

@inline
export function firstHalfOf(info: usize): v128 {
  return v128.load32_splat(info);
}

@inline
export function secondHalfOf(info: usize): v128 {
  return v128.load32_splat(info, 4);
}

@inline
export function totalFloatOf(info: usize): v128 {
  return f32x4.convert_i32x4_s(v128.load32_splat(info, 8));
}

@inline
export function scaleOf(info: usize): v128 {
  return v128.load32_splat(info, 12);
}
