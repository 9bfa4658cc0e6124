import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { OtlpError, type SpanData } from "../otlp/mod.ts";
import { encodeSpans } from "../otlp/testing/encode_spans.ts";
import { parseQuery, QueryLimitError } from "../traceql/mod.ts";
import type { SearchOptions } from "./search.ts";
import { StoreError } from "./store_error.ts";
import { Random, randomTrace } from "./testing/random_traces.ts";
import { TraceStore } from "./trace_store.ts";
import { QueryCancelledError, QueryTimeoutError } from "./work_slice.ts";

function searchFor(text: string): SearchOptions {
  return {
    query: parseQuery(text),
    range: { startNs: 0n, endNs: 2n ** 62n },
    limit: 10,
    spansPerSpanset: 3,
    minDurationNs: 0,
    maxDurationNs: Infinity,
  };
}

async function withStore(
  body: (store: TraceStore, notices: string[], path: string) => Promise<void>,
  { queryTimeoutMs = 60_000 } = {},
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const notices: string[] = [];
  const path = join(folder, "t.db");
  {
    await using store = await TraceStore.open({
      path,
      retention: { maxAgeMs: 1e12, maxBytes: 1e12 },
      queryTimeoutMs,
      onNotice: (message) => notices.push(message),
      onOutput: ({ text }) => notices.push(text),
    });
    await body(store, notices, path);
  }
  await Deno.remove(folder, { recursive: true });
}

const TRACE = randomTrace(new Random(1), 0).map((span) => ({ ...span, name: "a".repeat(40) }));

Deno.test("TraceStore.write() resolves when the spans can be read", async () => {
  await withStore(async (store) => {
    await store.write(encodeSpans(TRACE));
    const { traces } = await store.search(searchFor("{ }"));
    assertEquals(traces.map(({ traceId }) => traceId), [TRACE[0].traceId]);
    assertEquals((await store.trace(TRACE[0].traceId)).length > 0, true);
    assertEquals((await store.trace("f".repeat(32))).length, 0);
  });
});

Deno.test("TraceStore.write() rejects a broken request with an OtlpError", async () => {
  await withStore(async (store) => {
    await assertRejects(() => store.write(new Uint8Array([1, 2, 3])), OtlpError);
  });
});

Deno.test("TraceStore.search() rejects with a QueryLimitError where a query asks for too much work", async () => {
  await withStore(async (store) => {
    await store.write(encodeSpans(TRACE.map((span) => ({ ...span, name: "x".repeat(1_000_000) }))));
    const query = searchFor("{ name =~ `.*a.{400}b.*` }");
    await assertRejects(() => store.search(query), QueryLimitError, "1000000 characters");
    assertEquals((await store.search(searchFor("{ }"))).traces.length, 1);
  });
});

/** A span with so many events and so many links, all with the same attribute. */
function crowded(span: SpanData, count: number): SpanData {
  const attributes = [{ key: "a", value: { type: "string", value: "x" } }] as const;
  const event = { name: "e", timeNs: span.startNs, attributes };
  const link = { traceId: span.traceId, spanId: span.spanId, attributes };
  return {
    ...span,
    events: Array.from({ length: count }, () => event),
    links: Array.from({ length: count }, () => link),
  };
}

/** A query that ends by its own time, again and again, does not hold the thread. */
const MOST_ROUNDS = 20;

/** Stores spans, and gives a query of them that holds the thread longer than it is given. */
async function storeHostile(store: TraceStore): Promise<() => Promise<unknown>> {
  const spans = Array.from(
    { length: 4 },
    (_, index) => ({ ...TRACE[0], spanId: index.toString(16).padStart(16, "c") }),
  );
  await store.write(encodeSpans(spans.map((span) => crowded(span, 1_000))));
  const condition = Array.from({ length: 400 }, () => "event.a != link.a").join(" || ");
  return () => store.search(searchFor(`{ ${condition} }`));
}

Deno.test("TraceStore ends a query that does not look at its time, and answers the others", async () => {
  await withStore(async (store, notices) => {
    const small = { ...TRACE[0], traceId: "2".repeat(32) };
    await store.write(encodeSpans([small]));
    const ask = await storeHostile(store);
    // Where all cores are busy its time may be over before it holds the thread.
    for (let round = 1; notices.length === 0; round++) {
      assertEquals(round <= MOST_ROUNDS, true, "the query never held the thread");
      const hostile = ask();
      const other = store.trace(small.traceId);
      // The figures are the writer's.
      assertEquals((await store.stats()).queryThreadRestarts, 0);
      await assertRejects(() => hostile, QueryTimeoutError);
      assertEquals((await other).length > 0, true);
    }
    assertEquals(notices, ["the thread of queries was started again"]);
  }, { queryTimeoutMs: 1_000 });
});

Deno.test("TraceStore answers again when a file that could not be opened can be", async () => {
  await withStore(async (store, notices, path) => {
    const move = async (from: string, to: string) => {
      for (const end of ["", "-wal", "-shm"]) await Deno.rename(`${from}${end}`, `${to}${end}`);
    };
    // The thread has the file open.
    const lookUp = () => store.trace("f".repeat(32));
    await lookUp();
    const ask = await storeHostile(store);
    await move(path, `${path}.away`);
    for (let round = 1; notices.length === 0; round++) {
      assertEquals(round <= MOST_ROUNDS, true, "the query never held the thread");
      await assertRejects(ask, QueryTimeoutError);
    }
    const { message } = await assertRejects(lookUp, StoreError);
    assertStringIncludes(message, `Cannot open the trace database ${path}: `);
    await move(`${path}.away`, path);
    assertEquals((await lookUp()).length, 0);
  }, { queryTimeoutMs: 1_000 });
});

Deno.test("TraceStore leaves off a query that nobody waits for any more", async () => {
  await withStore(async (store, notices) => {
    const [span] = TRACE;
    for (let trace = 0; trace < 200; trace++) {
      const traceId = trace.toString(16).padStart(32, "a");
      await store.write(encodeSpans([crowded({ ...span, traceId }, 300)]));
    }
    const abort = new AbortController();
    const left = store.search(searchFor("{ event.a != link.a }"), abort.signal);
    abort.abort();
    await assertRejects(() => left, QueryCancelledError);
    assertEquals((await store.search(searchFor("{ }"))).traces.length, 10);
    await assertRejects(() => store.search(searchFor("{ }"), abort.signal), QueryCancelledError);
    assertEquals(notices, []);
  });
});

Deno.test("TraceStore refuses a query about too many pairs of events and links", async () => {
  await withStore(async (store) => {
    await store.write(encodeSpans([crowded(TRACE[0], 2_000)]));
    await assertRejects(
      () => store.search(searchFor("{ event.a != link.a }")),
      Error,
      "has 2000 and 2000 of them",
    );
    assertEquals((await store.search(searchFor('{ event.a = "x" }'))).traces.length, 1);
  });
});

Deno.test("TraceStore replaces a file that a query finds broken", async () => {
  await withStore(async (store, notices, path) => {
    const random = new Random(2);
    const spans = Array.from({ length: 500 }, (_, index) => randomTrace(random, index)).flat();
    await store.write(encodeSpans(spans));
    const wal = await Deno.readFile(`${path}-wal`);
    assertEquals(wal.length > 0, true);
    // What the writer wrote last is in the WAL: both files are overwritten under its feet.
    await Deno.writeFile(path, new Uint8Array(65_536).fill(0x5a));
    await Deno.writeFile(`${path}-wal`, wal.fill(0x5a));
    await Deno.writeFile(`${path}-shm`, new Uint8Array(32_768));
    await store.search(searchFor("{ }")).catch(() => {
      // The reader may see it first, or the writer.
    });
    await store.write(encodeSpans(TRACE)).catch(() => store.write(encodeSpans(TRACE)));
    const { traces } = await store.search(searchFor(`{ trace:id = "${TRACE[0].traceId}" }`));
    assertEquals(traces.length, 1);
    assertEquals(
      notices.some((notice) => notice.startsWith("the trace database was broken")),
      true,
    );
  });
});
