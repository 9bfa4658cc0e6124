/** What search() answers of a few traces, in one block or in several: order, limit and range. */

import { assertEquals } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import type { SpanData } from "../otlp/mod.ts";
import { encodeSpans } from "../otlp/testing/encode_spans.ts";
import { parseQuery } from "../traceql/mod.ts";
import { BlockSource } from "./block_source.ts";
import { openForReading } from "./database.ts";
import { search, type SearchOptions } from "./search.ts";
import { SpanWriter } from "./span_writer.ts";
import { BASE_NS, Random, randomTrace } from "./testing/random_traces.ts";
import { WorkSlice } from "./work_slice.ts";

const EVERYTHING: SearchOptions = {
  query: parseQuery("{ }"),
  range: { startNs: 0n, endNs: 2n ** 62n },
  limit: 100,
  spansPerSpanset: 3,
  minDurationNs: 0,
  maxDurationNs: Infinity,
};

/** A trace of one span. */
function trace(traceId: string, atSecond: number): SpanData {
  const [span] = randomTrace(new Random(1), 0);
  const startNs = BASE_NS + BigInt(atSecond) * 1_000_000_000n;
  return { ...span!, traceId: traceId.repeat(16), startNs, endNs: startNs + 1_000_000n };
}

/** The first two digits of the traces found among these, which come in this order. */
async function found(
  spans: readonly SpanData[],
  { hasBlockEach = false, ...options }: Partial<SearchOptions> & { hasBlockEach?: boolean } = {},
): Promise<string[]> {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "t.db");
  try {
    using writer = new SpanWriter({ path, onReplaced: () => {} });
    const seal = () =>
      writer.retain({ maxAgeMs: Infinity, maxBytes: Infinity }, Date.now() + 11 * 60_000);
    for (const span of spans) {
      writer.write([encodeSpans([span])]);
      if (hasBlockEach) seal();
    }
    seal();
    using database = openForReading(path);
    const source = new BlockSource(database);
    const result = await search(source, { ...EVERYTHING, ...options }, new WorkSlice(60_000));
    return result.traces.map(({ traceId }) => traceId.slice(0, 2));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("search() gives the latest traces first, those of the same moment by their ids", async () => {
  const [a, b, c, d] = [trace("aa", 2), trace("bb", 2), trace("cc", 1), trace("dd", 3)];
  for (const order of [[a, b, c, d], [d, c, b, a], [b, d, a, c]]) {
    assertEquals(await found(order), ["dd", "aa", "bb", "cc"]);
    for (const hasBlockEach of [false, true]) {
      assertEquals(await found(order, { limit: 2, hasBlockEach }), ["dd", "aa"]);
    }
  }
});

Deno.test("search() leaves out traces of a block that end before the range or begin after it", async () => {
  const spans = [trace("aa", 1), trace("bb", 5), trace("cc", 9)];
  const second = (at: number) => BASE_NS + BigInt(at) * 1_000_000_000n;
  const within = (from: number, to: number) =>
    found(spans, { range: { startNs: second(from), endNs: second(to) } });
  assertEquals(await within(4, 6), ["bb"]);
  assertEquals(await within(0, 6), ["bb", "aa"]);
  assertEquals(await within(4, 10), ["cc", "bb"]);
  // A trace counts from its start to its end.
  assertEquals(await within(5, 5), ["bb"]);
});

Deno.test("search() finds a service name among a span's own attributes, as in its resource", async () => {
  const own = trace("aa", 1);
  const value = { type: "string", value: "a shop" } as const;
  const named = { ...own, attributes: [...own.attributes, { key: "service.name", value }] };
  const other = trace("bb", 2);
  for (const query of ['{ .service.name = "a shop" }', '{ span.service.name = "a shop" }']) {
    assertEquals(await found([named, other], { query: parseQuery(query) }), ["aa"]);
  }
});

Deno.test("search() finds what lacks an attribute, also where no span has it", async () => {
  const spans = [trace("aa", 1), trace("bb", 2)];
  assertEquals(await found(spans, { query: parseQuery("{ span.absent = nil }") }), ["bb", "aa"]);
  assertEquals(await found(spans, { query: parseQuery("{ span.absent != nil }") }), []);
});
