import { assert, assertAlmostEquals, assertEquals } from "@std/assert/mod.js";
import { gumbel, GUMBEL_RANGE, hashToken, seedWords } from "./gumbel.ts";

Deno.test("hashToken() depends on every coordinate, the seed's high word and its sign included", () => {
  const coordinates: [seed: number, position: number, token: number][] = [
    [1, 2, 3],
    [2, 2, 3],
    [1, 3, 3],
    [1, 2, 4],
    [1 + 2 ** 32, 2, 3],
    [-1, 2, 3],
    [3, 2, 1],
    [2, 1, 3],
  ];
  const hashes = coordinates.map((at) => hashToken(...at));
  assertEquals(new Set(hashes).size, coordinates.length);
});

Deno.test("hashToken() flips about half of its bits when one bit of the token flips", () => {
  const flips: number[] = [];
  for (let token = 0; token < 64; token++) {
    for (let bit = 0; bit < 18; bit++) {
      flips.push(bitCount(hashToken(7, 11, token) ^ hashToken(7, 11, token ^ (1 << bit))));
    }
  }
  assertAlmostEquals(mean(flips), 16, 0.5);
});

Deno.test("hashToken() spreads consecutive positions evenly over 64 bins", () => {
  const draws = 64 * 500;
  const bins = new Array<number>(64).fill(0);
  for (let position = 0; position < draws; position++) bins[hashToken(42, position, 17) >>> 26]++;
  const chiSquare = bins.reduce((sum, count) => sum + (count - 500) ** 2 / 500, 0);
  // 63 degrees of freedom: above 110 in 2 of 10,000 cases.
  assert(chiSquare < 110, `chi-square ${chiSquare}`);
});

Deno.test("gumbel() has the mean and the variance of the Gumbel distribution", () => {
  const values = Array.from({ length: 50_000 }, (_, token) => gumbel(3, 5, token));
  const average = mean(values);
  const variance = mean(values.map((value) => (value - average) ** 2));
  assertAlmostEquals(average, 0.5772, 0.02);
  assertAlmostEquals(variance, Math.PI ** 2 / 6, 0.04);
});

Deno.test("GUMBEL_RANGE holds the values of the smallest and the largest hash", () => {
  const ofHash = (hash: number) => -Math.log(-Math.log1p(-(hash + 0.5) / 2 ** 32));
  assert(ofHash(0) < GUMBEL_RANGE.highest && ofHash(0) > GUMBEL_RANGE.highest - 0.1);
  assert(ofHash(2 ** 32 - 1) > GUMBEL_RANGE.lowest && ofHash(2 ** 32 - 1) < -3);
});

Deno.test("seedWords() splits seeds of more than 32 bits and negative ones in two's complement", () => {
  assertEquals(seedWords(5), [5, 0]);
  assertEquals(seedWords(2 ** 33 + 7), [7, 2]);
  assertEquals(seedWords(-1), [0xffffffff, 0xffffffff]);
});

function bitCount(word: number): number {
  let count = 0;
  for (let rest = word >>> 0; rest > 0; rest >>>= 1) count += rest & 1;
  return count;
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b) / values.length;
}
