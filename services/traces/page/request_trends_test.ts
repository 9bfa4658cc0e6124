import { assertEquals } from "@std/assert/mod.js";
import type { MetricSeries } from "./trace_queries.ts";
import { formatRate, trendLines } from "./request_trends.ts";

const series = (value: number, outcome?: string): MetricSeries => ({
  labels: outcome === undefined ? {} : { "span.request.outcome": outcome },
  values: Array.from({ length: 60 }, (_, step) => step === 59 ? value : NaN),
});

Deno.test("trendLines adds up the outcomes, and counts failures apart", () => {
  const [all, failed, duration] = trendLines({
    rates: [series(2, "success"), series(0.5, "error"), series(0.25, "rejected")],
    durations: [series(0.25)],
    firstTokens: [],
  });
  assertEquals([all?.values.at(-1), all?.values[0]], [2.75, 0]);
  assertEquals(failed?.values.at(-1), 0.75);
  assertEquals(duration?.format(0.25), "≈ 250.0 ms");
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
