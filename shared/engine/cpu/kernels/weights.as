// How weights lie in memory: panels of 8 rows, so that four rows are the four lanes of a vector and
// no product is summed across lanes. Rows past the matrix's end are zero.
//
// Plain types, a column of a panel: 8 f32 (format 0: F32) or 8 halves (1: F16, 2: BF16).
//
// Quantised types, 32 columns of a panel:
//   3, Q8_0: 8 x [row 0..7] of 4 bytes q + 128; 8 f16 scales
//   4, Q4_0: 4 x [row 0..7] of 4 bytes, nibbles q + 8; 8 f16 scales
//   5, Q4_1: 4 x [row 0..7] of 4 bytes, nibbles q; 8 f16 scales; 8 f16 minima
//   6, Q6_K: 8 x [row 0..7] of 4 bytes q + 32; 2 x 8 i8 scales. Behind all of them 8 f16 scales for
//            each 256 columns
//
// Byte i of a row's 32 holds weight i; of a row's 16 nibble bytes weights i (low) and i + 16 (high).

export const F32: u32 = 0;
export const F16: u32 = 1;
export const BF16: u32 = 2;
export const Q8_0: u32 = 3;
export const Q4_0: u32 = 4;
export const Q4_1: u32 = 5;
export const Q6_K: u32 = 6;

// Bytes of 32 columns of a panel.
@inline
export function blockBytes(format: u32): u32 {
  if (format == Q8_0) return 272;
  if (format == Q4_0) return 144;
  if (format == Q4_1) return 160;
  return 272;
}

// What is added to stored quants to keep them unsigned.
@inline
export function biasOf(format: u32): i32 {
  if (format == Q8_0) return 128;
  if (format == Q4_0) return 8;
  if (format == Q6_K) return 32;
  return 0;
}

// Four f16 as f32, from sign-extended 32-bit lanes. Exact, subnormal numbers included. `bits` and
// `factor` are HALF_BITS and HALF_FACTOR in all lanes.
@inline
export function halves(lanes: v128, bits: v128, factor: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shl(lanes, 13), bits), factor);
}

// Sign, exponent and fraction; 2^112, the distance of the exponents' biases.
export const HALF_BITS: u32 = 0x8fffe000;
export const HALF_FACTOR: u32 = 0x77800000;

@inline
export function halfAt(address: usize): f32 {
  const lanes = i32x4.splat(load<i16>(address));
  return f32x4.extract_lane(halves(lanes, i32x4.splat(HALF_BITS), i32x4.splat(HALF_FACTOR)), 0);
}

// One weight: of row `row` of a panel, column `k`.
export function weightAt(format: u32, panel: usize, row: u32, k: u32, columns: u32): f32 {
  if (format == F32) return load<f32>(panel + k * 32 + row * 4);
  if (format == F16) return halfAt(panel + k * 16 + row * 2);
  if (format == BF16) return reinterpret<f32>(load<u16>(panel + k * 16 + row * 2) << 16);
  const block = panel + (k >> 5) * blockBytes(format);
  const i = k & 31;
  if (format == Q8_0) {
    const q = <i32>load<u8>(block + (i >> 2) * 32 + row * 4 + (i & 3)) - 128;
    return halfAt(block + 256 + row * 2) * <f32>q;
  }
  if (format == Q6_K) {
    const q = <i32>load<u8>(block + (i >> 2) * 32 + row * 4 + (i & 3)) - 32;
    const scale = halfAt(panel + (columns >> 5) * 272 + (k >> 8) * 16 + row * 2);
    return scale * <f32>load<i8>(block + 256 + (i >> 4) * 8 + row) * <f32>q;
  }
  const pair = load<u8>(block + ((i & 15) >> 2) * 32 + row * 4 + (i & 3));
  const nibble = <i32>(i < 16 ? pair & 15 : pair >> 4);
  if (format == Q4_0) return halfAt(block + 128 + row * 2) * <f32>(nibble - 8);
  return halfAt(block + 128 + row * 2) * <f32>nibble + halfAt(block + 144 + row * 2);
}
