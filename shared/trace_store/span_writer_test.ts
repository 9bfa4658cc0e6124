import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { OtlpError, readSpans, type SpanData } from "../otlp/mod.ts";
import { encodeSpans } from "../otlp/testing/encode_spans.ts";
import { BlockSource } from "./block_source.ts";
import { mergeChunks } from "./chunk.ts";
import { openForReading } from "./database.ts";
import { SpanWriter, type SpanWriterOptions } from "./span_writer.ts";
import { StoreError } from "./store_error.ts";
import { Random, randomTrace } from "./testing/random_traces.ts";

const FOREVER = { maxAgeMs: Infinity, maxBytes: Infinity };

async function withFolder(body: (path: string) => void | Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  await body(join(folder, "t.db"));
  await Deno.remove(folder, { recursive: true });
}

function openWriter(path: string, options: Partial<SpanWriterOptions> = {}): SpanWriter {
  return new SpanWriter({ path, onReplaced: () => {}, ...options });
}

function traces(count: number, seed = 1): SpanData[][] {
  const random = new Random(seed);
  return Array.from({ length: count }, (_, index) => randomTrace(random, index));
}

/** The ids of the spans that a new reader finds of each trace. */
function storedSpanIds(path: string, wanted: readonly SpanData[][]): string[][] {
  using database = openForReading(path);
  const source = new BlockSource(database);
  return wanted.map(([{ traceId }]) =>
    readSpans(mergeChunks(source.traceChunks(traceId))).map(({ spanId }) => spanId).sort()
  );
}

function spanIds(wanted: readonly SpanData[][]): string[][] {
  return wanted.map((spans) => spans.map(({ spanId }) => spanId).sort());
}

Deno.test("SpanWriter.write() stores spans that a reader and a later writer find", async () => {
  await withFolder((path) => {
    const all = traces(700);
    {
      using writer = openWriter(path);
      for (const spans of all.slice(0, 600)) writer.write([encodeSpans(spans)]);
    }
    using writer = openWriter(path);
    const results = writer.write(all.slice(600).map(encodeSpans));
    assertEquals(
      results,
      all.slice(600).map((spans) => ({
        acceptedSpans: spans.length,
        rejectedSpans: 0,
        reason: "",
      })),
    );
    assertEquals(storedSpanIds(path, all), spanIds(all));
  });
});

Deno.test("SpanWriter.write() stores a request that is sent again once", async () => {
  await withFolder((path) => {
    using writer = openWriter(path);
    const request = encodeSpans(traces(20).flat());
    writer.write([request]);
    writer.write([request, request]);
    using database = openForReading(path);
    const row = database.prepare("SELECT count(*) AS chunks FROM chunks").get();
    assertEquals(row?.chunks, 20);
  });
});

Deno.test("a span that came in two requests, with others each time, is read once", async () => {
  await withFolder((path) => {
    using writer = openWriter(path);
    const spans = traces(40).find(({ length }) => length > 2)!;
    writer.write([encodeSpans(spans.slice(0, 2))]);
    writer.write([encodeSpans(spans.slice(1))]);
    assertEquals(storedSpanIds(path, [spans]), spanIds([spans]));
  });
});

Deno.test("SpanWriter.write() rejects spans that cannot be filed and keeps the others", async () => {
  await withFolder((path) => {
    using writer = openWriter(path);
    const [good] = traces(1).flat();
    const [result] = writer.write([encodeSpans([
      good,
      { ...good, traceId: "0".repeat(32) },
      { ...good, spanId: "0".repeat(16) },
      { ...good, startNs: 2n ** 63n },
      { ...good, spanId: "1".repeat(16), statusMessage: "x".repeat(1 << 20) },
    ])]);
    if (result instanceof OtlpError) throw result;
    assertEquals([result.acceptedSpans, result.rejectedSpans], [1, 4]);
    for (const words of ["no trace id", "no span id", "after the year 2262", "over the limit"]) {
      assertStringIncludes(result.reason, words);
    }
  });
});

Deno.test("SpanWriter.write() answers a broken request alone", async () => {
  await withFolder((path) => {
    using writer = openWriter(path);
    const all = traces(2);
    const results = writer.write([
      encodeSpans(all[0]),
      new Uint8Array([10, 255, 1, 1]),
      encodeSpans(all[1]),
    ]);
    assertEquals(results[1] instanceof OtlpError, true);
    assertEquals(storedSpanIds(path, all), spanIds(all));
  });
});

Deno.test("SpanWriter.retain() forgets whole blocks by age, the oldest first", async () => {
  await withFolder((path) => {
    using writer = openWriter(path);
    const all = traces(800);
    const before = Date.now();
    for (const spans of all) writer.write([encodeSpans(spans)]);
    const now = Date.now();
    writer.retain({ ...FOREVER, maxAgeMs: 60_000 }, before + 59_000);
    assertEquals(storedSpanIds(path, all), spanIds(all));
    // The tail is sealed when nothing was added to it for long, and forgotten in its turn.
    writer.retain({ ...FOREVER, maxAgeMs: 60_000 }, now + 11 * 60_000);
    writer.retain({ ...FOREVER, maxAgeMs: 60_000 }, now + 13 * 60_000);
    assertEquals(storedSpanIds(path, all), all.map(() => []));
    const { spans, forgottenSpans } = writer.stats();
    assertEquals([spans, forgottenSpans], [0, { age: all.flat().length, size: 0 }]);
    writer.write([encodeSpans(all[0])]);
    assertEquals(storedSpanIds(path, all.slice(0, 1)), spanIds(all.slice(0, 1)));
  });
});

Deno.test("SpanWriter.retain() keeps the file within its size and the latest spans", async () => {
  await withFolder((path) => {
    using writer = openWriter(path);
    const all = traces(1500);
    for (const spans of all) writer.write([encodeSpans(spans)]);
    const maxBytes = Math.floor(writer.stats().usedBytes / 2);
    while (writer.retain({ ...FOREVER, maxBytes }));
    const { spans, forgottenSpans } = writer.stats();
    assertEquals([forgottenSpans.age, forgottenSpans.size > 0], [0, true]);
    assertEquals(spans + forgottenSpans.size, all.flat().length);
    const { usedBytes } = writer.stats();
    const isFilled = usedBytes > maxBytes * 0.7 && usedBytes <= maxBytes * 1.05;
    assertEquals(isFilled, true, `${usedBytes} of ${maxBytes} bytes`);
    assertEquals(storedSpanIds(path, all.slice(-100)), spanIds(all.slice(-100)));
    assertEquals(storedSpanIds(path, all.slice(0, 10)), all.slice(0, 10).map(() => []));
  });
});

Deno.test("SpanWriter.retain() makes no block of nothing", async () => {
  await withFolder((path) => {
    using writer = openWriter(path);
    for (const minutes of [11, 22]) writer.retain(FOREVER, Date.now() + minutes * 60_000);
    assertEquals(blocksOf(path), []);
  });
});

Deno.test("SpanWriter knows nothing of spans that it could not store, when it stores again", async () => {
  await withFolder((path) => {
    const all = traces(2000);
    using writer = openWriter(path, { maxPages: 200 });
    // Of many traces: the first of them are in before one finds no room.
    const request = (first: number) => encodeSpans(all.slice(first, first + 40).flat());
    assertThrows(() => {
      for (let first = 0; first < all.length; first += 40) writer.write([request(first)]);
    }, StoreError);
    const sealed = blocksOf(path);
    assertEquals(sealed.length > 0, true);
    writer.retain({ ...FOREVER, maxBytes: 0 });
    writer.write([request(1960)]);
    writer.retain(FOREVER, Date.now() + 11 * 60_000);
    using database = openForReading(path);
    const [block] = blocksOf(path);
    const chunks = database.prepare("SELECT sum(spans) AS spans FROM chunks").get();
    assertEquals(block?.spans, chunks?.spans);
    assertEquals(Number(block?.first_chunk) > Number(sealed.at(-1)?.last_chunk), true);
  });
});

/** The rows of all sealed blocks. */
function blocksOf(path: string) {
  using database = openForReading(path);
  return database.prepare("SELECT first_chunk, last_chunk, spans FROM blocks ORDER BY id").all();
}

Deno.test("SpanWriter puts a file aside that is no database, and goes on", async () => {
  await withFolder((path) => {
    Deno.writeTextFileSync(
      path,
      "this is not a database, but it is longer than its header\n".repeat(99),
    );
    let setAside = "";
    using writer = openWriter(path, { onReplaced: (to) => setAside = to });
    const all = traces(3);
    writer.write(all.map(encodeSpans));
    assertEquals(storedSpanIds(path, all), spanIds(all));
    assertStringIncludes(Deno.readTextFileSync(setAside), "this is not a database");
  });
});

Deno.test("SpanWriter.write() goes on with a new file when pages turn out broken", async () => {
  await withFolder((path) => {
    const all = traces(400);
    {
      using writer = openWriter(path);
      writer.write(all.map(encodeSpans));
    }
    const bytes = Deno.readFileSync(path);
    bytes.fill(0xa5, 4096 * 2);
    Deno.writeFileSync(path, bytes);
    let setAside = "";
    using writer = openWriter(path, { onReplaced: (to) => setAside = to });
    const later = traces(3, 2);
    writer.write(later.map(encodeSpans));
    assertEquals(storedSpanIds(path, later), spanIds(later));
    assertEquals(Deno.statSync(setAside).isFile, true);
  });
});

Deno.test("SpanWriter.write() says that the disk is full, and stores again when it is not", async () => {
  await withFolder((path) => {
    const all = traces(2000);
    let stored = 0;
    {
      using writer = openWriter(path, { maxPages: 60 });
      const error = assertThrows(() => {
        for (; stored < all.length; stored++) writer.write([encodeSpans(all[stored])]);
      }, StoreError);
      assertEquals(error.failure, "full");
      assertStringIncludes(error.message, "is full; free some space");
      assertEquals(storedSpanIds(path, all.slice(0, stored)), spanIds(all.slice(0, stored)));
      assertThrows(() => writer.write([encodeSpans(all[stored])]), StoreError);
    }
    using writer = openWriter(path);
    writer.write(all.slice(stored, stored + 100).map(encodeSpans));
    assertEquals(
      storedSpanIds(path, all.slice(0, stored + 100)),
      spanIds(all.slice(0, stored + 100)),
    );
  });
});

Deno.test("SpanWriter says which variable to set when no file can be made", async () => {
  await withFolder((path) => {
    Deno.writeTextFileSync(path, "");
    const error = assertThrows(() => openWriter(join(path, "t.db")), StoreError);
    assertStringIncludes(error.message, "set DYN_TRACES_DB");
  });
});
