// Exact integer products of four columns of four weight rows with activations of 16 bits.
//
// Activations lie as `quantise` lays them out for either kind of dot product. Both kinds give the
// same integers:
//   bytes: one instruction multiplies unsigned by signed bytes (x86 with VNNI). An activation is
//          256 * high + low, which are multiplied each by itself
//   words: bytes are widened to 16 bits, which every CPU multiplies, two columns at a time

// sum + the products of four bytes of each lane, unsigned w by signed x.
@inline
export function addBytes(sum: v128, w: v128, x: v128): v128 {
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(x, w, sum);
}

// sum + the products of two words of each lane.
@inline
export function addWords(sum: v128, w: v128, x: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(w, x));
}

// One lane to all.
@inline
export function spread(x: v128, lane: u32): v128 {
  if (lane == 0) return v128.shuffle<i32>(x, x, 0, 0, 0, 0);
  if (lane == 1) return v128.shuffle<i32>(x, x, 1, 1, 1, 1);
  if (lane == 2) return v128.shuffle<i32>(x, x, 2, 2, 2, 2);
  return v128.shuffle<i32>(x, x, 3, 3, 3, 3);
}

// Whether bytes multiply exactly on this CPU: `at` has room for 32 bytes.
export function multipliesBytesExactly(at: usize): bool {
  v128.store(at, i8x16.splat(-1));
  v128.store(at, i8x16.splat(127), 16);
  let sum = i32x4.splat(0);
  for (let i = 0; i < 3; i++) sum = addBytes(sum, v128.load(at), v128.load(at, 16));
  v128.store(at, sum);
  for (let lane: usize = 0; lane < 4; lane++) {
    if (load<i32>(at + lane * 4) != 3 * 4 * 255 * 127) return false;
  }
  return true;
}
