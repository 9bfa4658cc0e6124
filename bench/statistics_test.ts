import { assert, assertAlmostEquals, assertEquals } from "@std/assert/mod.js";
import { figure, median, medianInterval, percentile } from "./statistics.ts";

Deno.test("median is the middle, or between the two middles, in any order", () => {
  assertEquals(median([3, 1, 2]), 2);
  assertEquals(median([4, 1, 2, 3]), 2.5);
  assertEquals(median([]), NaN);
});

Deno.test("percentile is a value of the list that the share does not exceed", () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);
  assertEquals(percentile(values, 0.99), 99);
  assertEquals(percentile(values, 1), 100);
  assertEquals(percentile(values, 0), 1);
  assertEquals(percentile([], 0.5), NaN);
});

Deno.test("medianInterval holds the median, narrows with more values and is the same each time", () => {
  const spread = (count: number) => Array.from({ length: count }, (_, i) => 10 + i % 5);
  const few = medianInterval(spread(10));
  const many = medianInterval(spread(400));
  assert(few.low <= 12 && 12 <= few.high);
  assert(many.high - many.low < few.high - few.low);
  assertEquals(medianInterval(spread(10)), few);
});

Deno.test("medianInterval of equal values is that value", () => {
  const { low, high } = medianInterval([7, 7, 7]);
  assertAlmostEquals(low, 7);
  assertAlmostEquals(high, 7);
});

Deno.test("figure writes three digits without exponent, and a dash for what is no number", () => {
  assertEquals([0.01234, 1.2345, 123.4, 12345.6].map(figure), ["0.0123", "1.23", "123", "12,346"]);
  assertEquals([NaN, Infinity].map(figure), ["–", "–"]);
});
