/**
 * Randomness that is a pure function of (seed, position, token).
 *
 * Gumbel-max sampling adds one Gumbel number to every token's logit and takes the largest sum. Since
 * each number comes from a hash of its coordinates instead of a stream, a seed gives the same text
 * whichever worker, batch or device draws it. `shared/engine/webgpu/ops/sample` computes the same
 * hash in WGSL: change both or neither.
 */

/** Bounds of `gumbel`: it never returns less or more. */
export const GUMBEL_RANGE = { lowest: -3.14, highest: 22.88 } as const;

/** The two 32-bit words of an integer seed, low word first, in two's complement. */
export function seedWords(seed: number): [low: number, high: number] {
  return [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
}

/**
 * One of 2^32 equally likely values. It is pcg4d of Jarzynski and Olano, "Hash Functions for GPU
 * Rendering" (JCGT 9/3, 2020), of (seed low, seed high, position, token).
 */
export function hashToken(seed: number, position: number, token: number): number {
  const [low, high] = seedWords(seed);
  let x = step(low);
  let y = step(high);
  let z = step(position);
  let w = step(token);
  x = (x + Math.imul(y, w)) | 0;
  y = (y + Math.imul(z, x)) | 0;
  z = (z + Math.imul(x, y)) | 0;
  w = (w + Math.imul(y, z)) | 0;
  x ^= x >>> 16;
  y ^= y >>> 16;
  z ^= z >>> 16;
  w ^= w >>> 16;
  x = (x + Math.imul(y, w)) | 0;
  y = (y + Math.imul(z, x)) | 0;
  z = (z + Math.imul(x, y)) | 0;
  return (w + Math.imul(y, z)) >>> 0;
}

/** The Gumbel number of a token: `-log(-log(1 - v))` with v uniform in (0, 1). */
export function gumbel(seed: number, position: number, token: number): number {
  const v = (hashToken(seed, position, token) + 0.5) / 2 ** 32;
  return -Math.log(-Math.log1p(-v));
}

function step(word: number): number {
  return (Math.imul(word, 1664525) + 1013904223) | 0;
}
