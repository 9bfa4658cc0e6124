// Activations as 16-bit integers: each 32 of a row share a scale, x = scale * q, |q| <= 32512.
//
// 32512 is 127 * 256, so that q splits into two signed bytes, q = 256 * high + low, for CPUs that
// multiply bytes (dot.as). Sixteen bits are as exact as the two int8 terms they are made of.
//
// Words of 32 activations (64 bytes), by the kind of dot product:
//   words: 16 pairs of i16, pair 2g + h = (x[4g + h], x[4g + h + 2]), as words of stored bytes have
//   it
//   bytes: 32 high bytes in order, then 32 low bytes
// Beside them 16 bytes a block: the sums of q[0..15], of q[16..31], of all 32 (i32), and the scale
// (f32).

const LARGEST: f32 = 32512;

export const BLOCK_BYTES: u32 = 64;
export const INFO_BYTES: u32 = 16;

@inline
function absMax(a: v128, b: v128): v128 {
  return f32x4.pmax(a, f32x4.abs(b));
}

@inline
function rounded(x: usize, inverse: v128): v128 {
  const scaled0 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x), inverse)));
  const scaled1 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x, 16), inverse)));
  return i16x8.narrow_i32x4_s(scaled0, scaled1);
}

@inline
function sumOf(a: v128, b: v128): i32 {
  const ones = i16x8.splat(1);
  const sums = i32x4.add(i32x4.dot_i16x8_s(a, ones), i32x4.dot_i16x8_s(b, ones));
  return (i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1)) +
    (i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3));
}

@inline
function paired(q: v128): v128 {
  return v128.shuffle<i16>(q, q, 0, 2, 1, 3, 4, 6, 5, 7);
}

@inline
function storeBytes(q: usize, a: v128, b: v128): void {
  const half = i16x8.splat(128);
  const highA = i16x8.shr_s(i16x8.add(a, half), 8);
  const highB = i16x8.shr_s(i16x8.add(b, half), 8);
  v128.store(q, i8x16.narrow_i16x8_s(highA, highB));
  const lowA = i16x8.sub(a, i16x8.shl(highA, 8));
  const lowB = i16x8.sub(b, i16x8.shl(highB, 8));
  v128.store(q, i8x16.narrow_i16x8_s(lowA, lowB), 32);
}

// Quantises `columns` (a multiple of 32) floats at x to `q` and `info`.
export function quantiseRow(x: usize, q: usize, info: usize, columns: u32, isBytes: bool): void {
  for (let k: u32 = 0; k < columns; k += 32) {
    let most = absMax(f32x4.splat(0), v128.load(x));
    most = absMax(most, v128.load(x, 16));
    most = absMax(most, v128.load(x, 32));
    most = absMax(most, v128.load(x, 48));
    most = absMax(most, v128.load(x, 64));
    most = absMax(most, v128.load(x, 80));
    most = absMax(most, v128.load(x, 96));
    most = absMax(most, v128.load(x, 112));
    const largest = max(
      max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)),
      max(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)),
    );
    // Below the smallest normal number the reciprocal would overflow: such a block counts as zero.
    const isZero = largest < 1e-35;
    const inverse = f32x4.splat(isZero ? 0 : LARGEST / largest);
    const q0 = rounded(x, inverse);
    const q1 = rounded(x + 32, inverse);
    const q2 = rounded(x + 64, inverse);
    const q3 = rounded(x + 96, inverse);
    if (isBytes) {
      storeBytes(q, q0, q1);
      storeBytes(q + 16, q2, q3);
    } else {
      v128.store(q, paired(q0));
      v128.store(q, paired(q1), 16);
      v128.store(q, paired(q2), 32);
      v128.store(q, paired(q3), 48);
    }
    const sum0 = sumOf(q0, q1);
    const sum1 = sumOf(q2, q3);
    store<i32>(info, sum0);
    store<i32>(info, sum1, 4);
    store<i32>(info, sum0 + sum1, 8);
    store<f32>(info, isZero ? 0 : largest / LARGEST, 12);
    x += 128;
    q += BLOCK_BYTES;
    info += INFO_BYTES;
  }
}
