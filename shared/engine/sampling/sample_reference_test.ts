import { assert, assertEquals, assertThrows } from "@std/assert/mod.js";
import type { SampleParameters } from "../backend.ts";
import {
  argmax,
  checkSampleParameters,
  comparable,
  filterThreshold,
  sampleReference,
} from "./sample_reference.ts";

const PLAIN: SampleParameters = { temperature: 1, topK: 0, topP: 1, seed: 1 };

Deno.test("sampleReference() at temperature 0 takes the largest logit and ignores the rest", () => {
  const logits = Float32Array.of(0.5, 3, -1, 2.9);
  for (const seed of [0, 1, 2]) {
    assertEquals(sampleReference(logits, { temperature: 0, topK: 2, topP: 0.5, seed }, 9), 1);
  }
});

Deno.test("argmax() takes the lowest id of equal logits, and zero equals minus zero", () => {
  assertEquals(argmax(Float32Array.of(1, 7, 7, 7)), 1);
  assertEquals(argmax(Float32Array.of(-0, 0)), 0);
});

Deno.test("argmax() passes over NaN and gives a valid id for rows without a number", () => {
  assertEquals(argmax(Float32Array.of(NaN, -5, -4, NaN)), 2);
  assertEquals(argmax(Float32Array.of(NaN, NaN)), 0);
  assertEquals(argmax(Float32Array.of(-Infinity, -Infinity)), 0);
  assertEquals(argmax(Float32Array.of(1, Infinity, Infinity)), 1);
});

Deno.test("sampleReference() draws each token as often as the softmax at the temperature says", () => {
  const logits = Float32Array.of(1, 0, 2, -1, 0.5, -30);
  for (const temperature of [0.5, 1, 1.7]) {
    const draws = 20_000;
    const counts = drawCounts(logits, { ...PLAIN, temperature, seed: 99 }, draws);
    assertFollows(counts, softmax(logits, temperature), draws);
  }
});

Deno.test("sampleReference() draws from seeds as it does from positions", () => {
  const logits = Float32Array.of(0, 1, 0.3);
  const counts = new Array<number>(3).fill(0);
  for (let seed = 0; seed < 20_000; seed++) {
    counts[sampleReference(logits, { ...PLAIN, seed }, 4)]++;
  }
  assertFollows(counts, softmax(logits, 1), 20_000);
});

Deno.test("sampleReference() with topK draws from the k largest in their proportions", () => {
  const logits = Float32Array.of(1, 0, 2, -1, 0.5);
  const counts = drawCounts(logits, { ...PLAIN, topK: 2 }, 10_000);
  const kept = softmax(Float32Array.of(1, -Infinity, 2, -Infinity, -Infinity), 1);
  assertFollows(counts, kept, 10_000);
});

Deno.test("sampleReference() gives the same token again for the same seed and position", () => {
  const logits = Float32Array.from({ length: 500 }, (_, i) => Math.sin(i));
  for (let position = 0; position < 20; position++) {
    const first = sampleReference(logits, PLAIN, position);
    assertEquals(sampleReference(logits, PLAIN, position), first);
  }
});

Deno.test("sampleReference() returns an id in range for NaN and infinite logits", () => {
  const rows = [[NaN, NaN, NaN], [-Infinity, -Infinity], [Infinity, NaN, Infinity]];
  for (const row of rows) {
    for (const topK of [0, 1]) {
      const token = sampleReference(Float32Array.from(row), { ...PLAIN, topK, topP: 0.5 }, 1);
      assert(token >= 0 && token < row.length);
    }
  }
});

Deno.test("filterThreshold() with topK keeps every token that equals the k-th largest", () => {
  const logits = Float32Array.of(4, 1, 3, 3, 3, 2);
  assertEquals(filterThreshold(logits, { ...PLAIN, topK: 1 }), 4);
  assertEquals(filterThreshold(logits, { ...PLAIN, topK: 2 }), 3);
  assertEquals(filterThreshold(logits, { ...PLAIN, topK: 5 }), 2);
});

Deno.test("filterThreshold() without filters, or with topK of the whole vocabulary, keeps all", () => {
  const logits = Float32Array.of(4, 1, 3);
  for (const topK of [0, 3, 1000]) {
    assertEquals(filterThreshold(logits, { ...PLAIN, topK }), -Infinity);
  }
});

Deno.test("filterThreshold() with topP keeps the smallest set whose mass reaches it", () => {
  // Softmax shares: 0.5, 0.25, 0.125, 0.125.
  const logits = Float32Array.of(Math.log(2), Math.log(4), Math.log(1), Math.log(1));
  const lowestKept = (topP: number) => filterThreshold(logits, { ...PLAIN, topP });
  assertEquals(lowestKept(0), logits[1]);
  assertEquals(lowestKept(0.49), logits[1]);
  assertEquals(lowestKept(0.51), logits[0]);
  assertEquals(lowestKept(0.74), logits[0]);
  assertEquals(lowestKept(0.76), logits[2]);
});

Deno.test("filterThreshold() measures topP at the temperature and over what topK left", () => {
  const logits = Float32Array.of(0, 1, 2, 3);
  // At temperature 1 the shares are 0.64, 0.24, 0.09, 0.03; at 4 they are 0.36, 0.28, 0.22, 0.14.
  assertEquals(filterThreshold(logits, { ...PLAIN, topP: 0.6 }), 3);
  assertEquals(filterThreshold(logits, { ...PLAIN, temperature: 4, topP: 0.6 }), 2);
  // Of the two that topK leaves, the larger one has a share of 0.56 at temperature 4.
  assertEquals(filterThreshold(logits, { ...PLAIN, temperature: 4, topP: 0.55, topK: 2 }), 3);
});

Deno.test("comparable() makes NaN the lowest number and infinities the largest ones", () => {
  assertEquals(comparable(NaN), comparable(-Infinity));
  assert(Number.isFinite(comparable(Infinity)));
  assertEquals(comparable(-2.5), -2.5);
});

Deno.test("checkSampleParameters() names the parameter that is out of range", () => {
  const bad: [Partial<SampleParameters>, string][] = [
    [{ temperature: -1 }, "temperature -1"],
    [{ temperature: NaN }, "temperature NaN"],
    [{ topK: -1 }, "topK -1"],
    [{ topK: 1.5 }, "topK 1.5"],
    [{ topP: 1.1 }, "topP 1.1"],
    [{ topP: NaN }, "topP NaN"],
    [{ seed: 0.5 }, "seed 0.5"],
    [{ seed: 2 ** 60 }, "seed"],
  ];
  for (const [change, named] of bad) {
    assertThrows(() => checkSampleParameters({ ...PLAIN, ...change }), RangeError, named);
  }
  checkSampleParameters({ temperature: 2, topK: 0, topP: 0, seed: -5 });
});

function drawCounts(logits: Float32Array, parameters: SampleParameters, draws: number): number[] {
  const counts = new Array<number>(logits.length).fill(0);
  for (let position = 0; position < draws; position++) {
    counts[sampleReference(logits, parameters, position)]++;
  }
  return counts;
}

/** Every count within four standard deviations of its expectation. */
function assertFollows(counts: readonly number[], shares: readonly number[], draws: number): void {
  for (const [token, share] of shares.entries()) {
    const deviation = Math.sqrt(draws * share * (1 - share));
    assert(
      Math.abs(counts[token] - draws * share) <= 4 * deviation + 1e-6,
      `token ${token}: ${counts[token]} draws, expected ${(draws * share).toFixed(1)}`,
    );
  }
}

function softmax(logits: Float32Array, temperature: number): number[] {
  const weights = Array.from(logits, (logit) => Math.exp(logit / temperature));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
}
