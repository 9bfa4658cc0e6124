import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert/mod.js";
import { formatDuration, parseDuration } from "./duration.ts";
import { log2Bucket, log2Quantile } from "./log2_histogram.ts";
import { QueryLimitError } from "./errors.ts";
import { MetricsAccumulator } from "./metrics.ts";
import { MetricsWindow } from "./metrics_window.ts";
import { parseQuery } from "./parser.ts";
import type { Static } from "./static.ts";

const SECOND_NS = 1_000_000_000n;
const WINDOW = new MetricsWindow({
  startNs: 600n * SECOND_NS,
  endNs: 720n * SECOND_NS,
  stepNs: 60n * SECOND_NS,
});

/** Values of `span.n` at seconds after 600, in groups. */
function accumulate(
  metrics: string,
  spans: readonly { readonly at: number; readonly n: Static; readonly group?: string }[],
  window = WINDOW,
): MetricsAccumulator {
  const { metrics: stage } = parseQuery(`{ } | ${metrics}`);
  if (stage === null) throw new Error("no metrics stage");
  const accumulator = new MetricsAccumulator({
    stage,
    window,
    exemplarLimit: 10,
    exemplarRefs: [],
  });
  for (const { at, n, group } of spans) {
    accumulator.observe({
      offsetNs: at * 1e9 + Number(600n * SECOND_NS - window.startNs),
      timeMs: (600 + at) * 1000,
      traceId: () => String(at),
      lookup: (ref) =>
        ref.text === "span.n" || ref.text === "duration"
          ? n
          : group === undefined
          ? { type: "nil" }
          : { type: "string", value: group },
    });
  }
  return accumulator;
}

function int(value: number): Static {
  return { type: "int", value };
}

Deno.test("MetricsWindow aligns to the step with one step in front, and steps end with their time", () => {
  const window = new MetricsWindow({
    startNs: 1_795_541_631n * SECOND_NS,
    endNs: 1_795_541_700n * SECOND_NS,
    stepNs: 60n * SECOND_NS,
  });
  assertEquals([0, 1, 2].map((interval) => window.timeMs(interval)), [
    1_795_541_580_000,
    1_795_541_640_000,
    1_795_541_700_000,
  ]);
  assertEquals(window.intervals, 3);
  assertEquals([0, 1, 60e9, 60e9 + 1, 180e9, 180e9 + 1].map((ns) => window.intervalAt(ns)), [
    -1,
    0,
    0,
    1,
    2,
    -1,
  ]);
});

Deno.test("metrics functions compute what they say, by step", () => {
  const spans = [{ at: 10, n: int(4) }, { at: 20, n: int(1) }, { at: 90, n: int(7) }];
  const values = (metrics: string) => accumulate(metrics, spans).series().map((one) => one.values);
  assertEquals(values("count_over_time()"), [[0, 2, 1]]);
  assertEquals(values("rate()"), [[0, 2 / 60, 1 / 60]]);
  assertEquals(values("sum_over_time(span.n)"), [[NaN, 5, 7]]);
  assertEquals(values("min_over_time(span.n)"), [[NaN, 1, 7]]);
  assertEquals(values("max_over_time(span.n)"), [[NaN, 4, 7]]);
  assertEquals(values("avg_over_time(span.n)"), [[NaN, 2.5, 7]]);
  assertEquals(values("quantile_over_time(span.n, 1)"), [[0, 4, 8]]);
  assertEquals(values("histogram_over_time(span.n)"), [[0, 1, 0], [0, 1, 0], [0, 0, 1]]);
});

Deno.test("metrics without a match are zeros for counts and nothing for measures", () => {
  assertEquals(accumulate("rate()", []).series().map(({ values }) => values), [[0, 0, 0]]);
  assertEquals(accumulate("rate() by (name)", []).series(), []);
  assertEquals(accumulate("avg_over_time(span.n)", [{ at: 1, n: { type: "nil" } }]).series(), []);
});

Deno.test("metrics are grouped by value, and series come in order", () => {
  const spans = ["b", "a", "b", undefined].map((group, at) => ({ at: at + 1, n: int(1), group }));
  const series = accumulate("count_over_time() by (span.group)", spans).series();
  assertEquals(
    series.map(({ labels, values }) => [labels.map(([, value]) => value), values[1]]),
    [
      [[{ type: "string", value: "a" }], 1],
      [[{ type: "string", value: "b" }], 2],
      [[{ type: "string", value: "nil" }], 1],
    ],
  );
});

Deno.test("metrics refuse more series than an answer can hold", () => {
  const spans = Array.from({ length: 1001 }, (_, at) => ({
    at: 1,
    n: int(1),
    group: String(at),
  }));
  assertThrows(() => accumulate("rate() by (span.group)", spans), QueryLimitError, "1000 series");
});

Deno.test("metrics refuse more values than an answer can hold, whose steps are too short", () => {
  const spans = Array.from({ length: 200 }, (_, at) => ({
    at: 1,
    n: int(1),
    group: String(at),
  }));
  const window = new MetricsWindow({
    startNs: 600n * SECOND_NS,
    endNs: 11_600n * SECOND_NS,
    stepNs: SECOND_NS,
  });
  assertThrows(
    () => accumulate("rate() by (span.group)", spans, window).series(),
    QueryLimitError,
    "use a larger step",
  );
});

Deno.test("an instant query has one value for its range, both ends included", () => {
  const window = new MetricsWindow({
    startNs: 600n * SECOND_NS,
    endNs: 700n * SECOND_NS,
    stepNs: null,
  });
  const spans = [0, 50, 100, 101].map((at) => ({ at, n: int(1) }));
  const [series] = accumulate("count_over_time()", spans, window).series();
  assertEquals(series.values, [3]);
});

Deno.test("durations are measured in seconds, in buckets of nanoseconds", () => {
  const spans = [{ at: 1, n: { type: "duration", value: 820e6 } as const }];
  const [series] = accumulate("quantile_over_time(duration, .5)", spans).series();
  assertEquals(series.values[1], 1.073741824);
  assertEquals(series.exemplars.map(({ value }) => value), [0.82]);
});

Deno.test("log2Bucket() is the next power of two, at every scale", () => {
  for (let power = -20; power <= 60; power++) {
    assertEquals(log2Bucket(2 ** power), 2 ** power);
    assertEquals(log2Bucket(2 ** power * 1.000001), 2 ** (power + 1));
  }
  assertEquals([log2Bucket(0), log2Bucket(-5)], [0, 0]);
});

Deno.test("log2Quantile() reads the bound of a bucket, and between two grows exponentially", () => {
  const counts = new Map([[8, 2], [4, 2]]);
  assertEquals(log2Quantile(0.5, counts), 4);
  assertEquals(log2Quantile(1, counts), 8);
  assertAlmostEquals(log2Quantile(0.75, counts), 2 ** 2.5);
  assertAlmostEquals(log2Quantile(0, counts), 2 ** 1.5);
  assertEquals(log2Quantile(0.5, new Map()), 0);
});

Deno.test("parseDuration() and formatDuration() speak Go's form", () => {
  const cases: [string, number][] = [
    ["820ms", 820e6],
    ["310.000128ms", 310_000_128],
    ["1.2s", 1.2e9],
    ["1m0.5s", 60.5e9],
    ["1h0m3s", 3603e9],
    ["15µs", 15e3],
    ["7ns", 7],
  ];
  for (const [text, ns] of cases) {
    assertEquals(formatDuration(ns), text);
    assertEquals(parseDuration(text), ns);
  }
  assertEquals([parseDuration("1d"), parseDuration("1x"), parseDuration("")], [
    86_400e9,
    undefined,
    undefined,
  ]);
  assertEquals([formatDuration(0), formatDuration(-5e6)], ["0s", "-5ms"]);
});

Deno.test("a span outside of the window counts nowhere, and makes no series", () => {
  const spans = [{ at: -90, n: int(4), group: "before" }, { at: 10, n: int(1), group: "in it" }];
  const series = accumulate("count_over_time() by(span.group)", spans).series();
  assertEquals(series.map(({ labels }) => labels.map(([, value]) => value)), [
    [{ type: "string", value: "in it" }],
  ]);
});

Deno.test("a trace is the exemplar of one of its spans", () => {
  const spans = [{ at: 10, n: int(4) }, { at: 10, n: int(5) }, { at: 20, n: int(6) }];
  const [series] = accumulate("max_over_time(span.n)", spans).series();
  assertEquals(series.exemplars.map(({ value }) => value), [4, 6]);
});
