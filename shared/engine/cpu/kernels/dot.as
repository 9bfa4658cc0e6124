// Exact integer products of 16 columns of four weight rows with activations of 16 bits.
//
// Weights are four vectors of 4 rows x 4 bytes; activations two vectors, as `quantise` lays them
// out for either kind of dot product. Both kinds give the same integers:
//   bytes: one instruction multiplies unsigned by signed bytes (x86 with VNNI). An activation is
//          256 * high + low: a vector of high bytes, a vector of low bytes
//   words: bytes are widened to 16 bits, which every CPU multiplies: two vectors of four pairs
//
// An activation is spread to all rows by a shuffle: Deno's V8 checks the bounds of every load, so
// that a load costs four instructions and a shuffle one.

// sum + the products of four bytes of each lane, unsigned w by signed x.
@inline
export function multiplyBytes(sum: v128, w: v128, x: v128): v128 {
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(x, w, sum);
}

// 16 columns by words.
@inline
export function words16(
  w0: v128,
  w1: v128,
  w2: v128,
  w3: v128,
  xa: v128,
  xb: v128,
  lowByte: v128,
): v128 {
  return i32x4.add(words8(w0, w1, xa, lowByte), words8(w2, w3, xb, lowByte));
}

// Eight columns: the low and high bytes of a vector's words belong to different columns.
@inline
function words8(w0: v128, w1: v128, x: v128, lowByte: v128): v128 {
  const a = i32x4.add(
    i32x4.dot_i16x8_s(v128.and(w0, lowByte), v128.shuffle<i32>(x, x, 0, 0, 0, 0)),
    i32x4.dot_i16x8_s(i16x8.shr_u(w0, 8), v128.shuffle<i32>(x, x, 1, 1, 1, 1)),
  );
  const b = i32x4.add(
    i32x4.dot_i16x8_s(v128.and(w1, lowByte), v128.shuffle<i32>(x, x, 2, 2, 2, 2)),
    i32x4.dot_i16x8_s(i16x8.shr_u(w1, 8), v128.shuffle<i32>(x, x, 3, 3, 3, 3)),
  );
  return i32x4.add(a, b);
}

// Whether bytes multiply exactly on this CPU: `at` has room for 32 bytes.
export function multipliesBytesExactly(at: usize): bool {
  v128.store(at, i8x16.splat(-1));
  v128.store(at, i8x16.splat(127), 16);
  let sum = i32x4.splat(0);
  for (let i = 0; i < 3; i++) sum = multiplyBytes(sum, v128.load(at), v128.load(at, 16));
  v128.store(at, sum);
  for (let lane: usize = 0; lane < 4; lane++) {
    if (load<i32>(at + lane * 4) != 3 * 4 * 255 * 127) return false;
  }
  return true;
}
