import { assertEquals } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import type { SpanData } from "../otlp/mod.ts";
import { encodeSpans } from "../otlp/testing/encode_spans.ts";
import { MetricsWindow, parseQuery } from "../traceql/mod.ts";
import { BlockSource } from "./block_source.ts";
import { openForReading } from "./database.ts";
import { queryMetrics } from "./metrics_query.ts";
import { search } from "./search.ts";
import { SpanWriter } from "./span_writer.ts";
import { naiveSpansets } from "./testing/naive_search.ts";
import { BASE_NS, Random, randomQuery, randomTrace } from "./testing/random_traces.ts";
import { WorkSlice } from "./work_slice.ts";

const ALL_TIME = { startNs: 0n, endNs: 2n ** 62n };

/** Random traces in a database of several blocks and a tail, their spans sent in pieces. */
async function withTraces(
  seed: number,
  body: (source: BlockSource, traces: readonly SpanData[][]) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const random = new Random(seed);
  const traces = Array.from({ length: 900 }, (_, index) => randomTrace(random, index));
  const path = join(folder, "t.db");
  {
    using writer = new SpanWriter({ path, onReplaced: () => {} });
    let pieces: SpanData[] = [];
    for (const span of traces.flat()) {
      pieces.push(span);
      if (random.chance(0.05)) {
        writer.write([encodeSpans(pieces)]);
        pieces = [];
      }
    }
    writer.write([encodeSpans(pieces)]);
    using database = openForReading(path);
    const blocks = database.prepare("SELECT count(*) AS count FROM blocks").get();
    assertEquals(Number(blocks?.count) > 1, true, "several blocks");
    await body(new BlockSource(database), traces);
  }
  await Deno.remove(folder, { recursive: true });
}

// Each takes seconds of CPU time.
for (const seed of [2, 6, 7]) {
  Deno.test(`search() finds what a naive evaluation of every trace finds, for queries of seed ${seed}`, () =>
    assertSearchesAlike(seed));
}

async function assertSearchesAlike(seed: number): Promise<void> {
  await withTraces(1, async (source, traces) => {
    const random = new Random(seed);
    let matching = 0;
    for (let round = 0; round < 50; round++) {
      const text = randomQuery(random);
      const query = parseQuery(text);
      const expected = new Map(
        traces.map((trace) => [trace[0].traceId, naiveSpansets(query, trace)] as const)
          .filter(([, spansets]) => spansets.length > 0),
      );
      const result = await search(source, {
        query,
        range: ALL_TIME,
        limit: 10_000,
        spansPerSpanset: 1000,
        minDurationNs: 0,
        maxDurationNs: Infinity,
      }, new WorkSlice(60_000));
      const found = new Map(
        result.traces.map(({ traceId, spansets }) => [
          traceId,
          spansets.map(({ spans }) => spans.map(({ spanId }) => spanId).sort()),
        ]),
      );
      assertEquals(sorted(found), sorted(expected), text);
      if (expected.size > 0) matching++;
    }
    assertEquals(matching > 25, true, "most queries match something");
  });
}

Deno.test("search() with a limit gives the latest traces", async () => {
  await withTraces(3, async (source, traces) => {
    for (const text of ["{ }", '{ name = "decode" }', "{ span.a > 150 }", '{ span.id = "r7" }']) {
      const query = parseQuery(text);
      const options = {
        query,
        range: ALL_TIME,
        spansPerSpanset: 1,
        minDurationNs: 0,
        maxDurationNs: Infinity,
      };
      const all = await search(source, { ...options, limit: 10_000 }, new WorkSlice(60_000));
      const some = await search(source, { ...options, limit: 7 }, new WorkSlice(60_000));
      assertEquals(
        some.traces.map(({ traceId }) => traceId),
        all.traces.slice(0, 7).map(({ traceId }) => traceId),
        text,
      );
      const starts = all.traces.map(({ startNs }) => startNs);
      assertEquals(starts, starts.toSorted((a, b) => a < b ? 1 : a > b ? -1 : 0));
      assertEquals(all.traces.length <= traces.length, true);
    }
  });
});

Deno.test("queryMetrics() counts what a naive evaluation counts in each step", async () => {
  await withTraces(4, async (source, traces) => {
    const random = new Random(5);
    const stepNs = 60_000_000_000n;
    const window = new MetricsWindow({
      startNs: BASE_NS + 100_000_000_000n,
      endNs: BASE_NS + 700_000_000_000n,
      stepNs,
    });
    for (let round = 0; round < 40; round++) {
      const text = randomQuery(random);
      const query = parseQuery(`${text} | count_over_time()`);
      const { metrics } = query;
      if (metrics === null) throw new Error("the query has a metrics stage");
      const counts = new Array<number>(window.intervals).fill(0);
      for (const trace of traces) {
        const ids = new Set(naiveSpansets(query, trace).flat());
        for (const span of trace) {
          const interval = Number((span.startNs - window.startNs - 1n) / stepNs);
          const isInside = span.startNs > window.startNs && interval < window.intervals;
          if (ids.has(span.spanId) && isInside) counts[interval]++;
        }
      }
      const [series] = await queryMetrics(source, {
        query,
        stage: metrics,
        window,
        exemplarLimit: 10,
      }, new WorkSlice(60_000));
      assertEquals(series.values, counts, text);
    }
  });
});

function sorted(found: ReadonlyMap<string, string[][]>): [string, string[]][] {
  return [...found]
    .map(([traceId, spansets]): [string, string[]] => [
      traceId,
      spansets.map((ids) => ids.join()).sort(),
    ])
    .sort(([a], [b]) => a < b ? -1 : 1);
}
