import { assertEquals } from "@std/assert/mod.js";
import { formatRate, trendValues } from "./request_trends.ts";

Deno.test("trendValues knows that nothing happened, and no quantile of it", () => {
  const values = Array.from({ length: 60 }, (_, step) => step === 59 ? 2.5 : step === 58 ? 0 : NaN);
  const series = [{ labels: {}, values }];
  assertEquals(trendValues(series, {}).slice(-3), [0, 0, 2.5]);
  assertEquals(trendValues(series, { isQuantile: true }).slice(-3), [NaN, NaN, 2.5]);
  assertEquals(trendValues([], {}).slice(-1), [0]);
  assertEquals(trendValues([], { isQuantile: true }).length, 60);
});

Deno.test("formatRate takes the unit that a person can read", () => {
  assertEquals([0, 0.05, 0.5, 2.34, 40].map(formatRate), [
    "0/s",
    "3.0/min",
    "30/min",
    "2.3/s",
    "40/s",
  ]);
});
