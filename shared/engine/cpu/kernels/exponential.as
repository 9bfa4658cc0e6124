// exp of four numbers, after Cephes' expf: 2^n times a polynomial. Separate multiplications and
// additions, so that every CPU gives the same bits. Relative error below 2e-7; 0 below -87.3.
//
// Constants are loaded: V8 takes three instructions to make one and, at a constant address, a
// single one to load it. The lowest and highest argument; 1 / ln 2; ln 2 in two parts; the
// polynomial.
const CONSTANTS: usize = memory.data<f32>([
  -87.33654,
  88,
  1.44269504,
  0.693359375,
  -2.12194440e-4,
  1.9875691500e-4,
  1.3981999507e-3,
  8.3334519073e-3,
  4.1665795894e-2,
  1.6666665459e-1,
  0.5,
  1,
  // 1.5 * 2^23 + 127: a whole number n added to it has n + 127 in its lowest bits.
  12583039,
]);

@inline
export function exp4(value: v128): v128 {
  const lowest = v128.load32_splat(CONSTANTS);
  const half = v128.load32_splat(CONSTANTS, 40);
  const x = f32x4.pmax(f32x4.pmin(value, v128.load32_splat(CONSTANTS, 4)), lowest);
  const n = f32x4.floor(f32x4.add(f32x4.mul(x, v128.load32_splat(CONSTANTS, 8)), half));
  let r = f32x4.sub(x, f32x4.mul(n, v128.load32_splat(CONSTANTS, 12)));
  r = f32x4.sub(r, f32x4.mul(n, v128.load32_splat(CONSTANTS, 16)));
  let p = v128.load32_splat(CONSTANTS, 20);
  p = f32x4.add(f32x4.mul(p, r), v128.load32_splat(CONSTANTS, 24));
  p = f32x4.add(f32x4.mul(p, r), v128.load32_splat(CONSTANTS, 28));
  p = f32x4.add(f32x4.mul(p, r), v128.load32_splat(CONSTANTS, 32));
  p = f32x4.add(f32x4.mul(p, r), v128.load32_splat(CONSTANTS, 36));
  p = f32x4.add(f32x4.mul(p, r), half);
  const one = v128.load32_splat(CONSTANTS, 44);
  p = f32x4.add(f32x4.add(f32x4.mul(f32x4.mul(p, r), r), r), one);
  const power = i32x4.shl(f32x4.add(n, v128.load32_splat(CONSTANTS, 48)), 23);
  return v128.andnot(f32x4.mul(p, power), f32x4.lt(value, lowest));
}

// exp of one number, with the same bits as a lane of `exp4`.
@inline
export function exp1(value: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(value)), 0);
}

// The sum of four lanes, in one order.
@inline
export function sum4(v: v128): f32 {
  return (f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1)) +
    (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}
