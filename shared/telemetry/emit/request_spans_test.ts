import { ROOT_CONTEXT, type SpanContext, trace, TraceFlags } from "@opentelemetry/api";
import { assertEquals } from "@std/assert/mod.js";
import { type ReadableSpan, type SpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { ExportStats } from "./export_stats.ts";
import { RequestSpans, type SpanGroup } from "./request_spans.ts";

const REMOTE: SpanContext = {
  traceId: "1".repeat(32),
  spanId: "2".repeat(16),
  traceFlags: TraceFlags.SAMPLED,
};
const STAND_IN = { traceId: REMOTE.traceId, spanId: "3".repeat(16) };

/** Spans that were let go, by name, and the processor that held them. */
function createRequests(queueSize = 10_000, forceFlush = () => Promise.resolve()) {
  const names: string[] = [];
  const stats = new ExportStats();
  const processor: SpanProcessor = {
    onStart: () => {},
    onEnd: ({ name }) => names.push(name),
    forceFlush,
    shutdown: () => Promise.resolve(),
  };
  const requests = new RequestSpans({
    processor,
    stats,
    queueSize,
    held: null,
    parentWaitMs: 0,
  });
  const tracer = new TracerProvider().getTracer("test");
  return {
    requests,
    stats,
    left: () => [...names],
    start(name: string, group: SpanGroup, remote?: SpanContext): { end(): void } {
      const context = remote === undefined
        ? ROOT_CONTEXT
        : trace.setSpanContext(ROOT_CONTEXT, remote);
      const span = tracer.startSpan(name, {}, context);
      return {
        end() {
          span.end();
          requests.ended(group, span as unknown as ReadableSpan, remote && STAND_IN);
        },
      };
    },
  };
}

Deno.test("RequestSpans holds ended children until their root has ended", () => {
  const { requests, start, left, stats } = createRequests();
  const group = requests.open("r1");
  const root = start("root", group);
  start("child", group).end();
  assertEquals(left(), []);
  root.end();
  requests.close(group);
  assertEquals(left(), ["child", "root"]);
  assertEquals(stats.queuedSpans, 2);
});

Deno.test("RequestSpans keeps requests apart", () => {
  const { requests, start, left } = createRequests();
  const first = requests.open("r1");
  const second = requests.open("r2");
  start("of first", first).end();
  start("of second", second).end();
  requests.close(second);
  assertEquals(left(), ["of second"]);
});

Deno.test("RequestSpans waits for the last of several local roots of a request", () => {
  const { requests, start, left } = createRequests();
  const payload = requests.open("r1");
  const receive = requests.open("r1");
  start("kv.receive", receive).end();
  requests.close(receive);
  assertEquals(left(), []);
  start("handle_payload", payload).end();
  requests.close(payload);
  assertEquals(left(), ["kv.receive", "handle_payload"]);
});

Deno.test("RequestSpans lets a span that outlives its root go at once", () => {
  const { requests, start, left } = createRequests();
  const group = requests.open("r1");
  const late = start("late", group);
  requests.close(group);
  assertEquals(left(), []);
  late.end();
  assertEquals(left(), ["late"]);
});

Deno.test("RequestSpans drops a request as a whole when the queue has no room for it", () => {
  const { requests, start, left, stats } = createRequests(3);
  for (const key of ["r1", "r2"]) {
    const group = requests.open(key);
    start(`${key} a`, group).end();
    start(`${key} b`, group).end();
    requests.close(group);
  }
  assertEquals(left(), ["r1 a", "r1 b"]);
  assertEquals([stats.queuedSpans, stats.droppedSpans], [2, 2]);
});

Deno.test("RequestSpans stops holding a request whose spans are very many", () => {
  const { requests, start, left } = createRequests();
  const group = requests.open("r1");
  for (let i = 0; i < 1000; i++) start("chunk", group).end();
  assertEquals(left().length, 1000);
  start("one more", group).end();
  assertEquals(left().at(-1), "one more");
});

Deno.test("RequestSpans stops holding when held spans of all requests would not fit the queue", () => {
  const { requests, start, left } = createRequests(4);
  const groups = ["r1", "r2", "r3"].map((key) => requests.open(key));
  for (const group of groups.slice(0, 2)) {
    start("held", group).end();
    start("held", group).end();
  }
  assertEquals(left(), []);
  start("too many", groups[2]!).end();
  assertEquals(left(), ["too many"]);
});

Deno.test("RequestSpans lets a request wait as a whole for a parent in another process, and counts it as queued", () => {
  const { requests, start, left, stats } = createRequests();
  const group = requests.open("r1");
  start("kv.receive", group, REMOTE).end();
  start("handle_payload", group).end();
  requests.close(group);
  assertEquals([left(), stats.queuedSpans], [[], 2]);
  requests.parentsExported([REMOTE.spanId]);
  assertEquals([left(), stats.queuedSpans], [["kv.receive", "handle_payload"], 2]);
});

Deno.test("RequestSpans does not flush for a word while the flush for the one before is under way", async () => {
  const flushes: PromiseWithResolvers<void>[] = [];
  const { requests, start, left } = createRequests(10_000, () => {
    const flush = Promise.withResolvers<void>();
    flushes.push(flush);
    return flush.promise;
  });
  const ask = (spanId: string) => {
    const group = requests.open(spanId);
    start(spanId, group, { ...REMOTE, spanId }).end();
    requests.close(group);
    requests.parentsExported([spanId]);
  };
  ["4", "5"].forEach((digit) => ask(digit.repeat(16)));
  assertEquals([left().length, flushes.length], [2, 1]);
  flushes[0]?.reject(new Error("the collector is away"));
  // One turn of the event loop.
  await new Promise((resolve) => setTimeout(resolve));
  ask("6".repeat(16));
  assertEquals([left().length, flushes.length], [3, 2]);
});

Deno.test("RequestSpans waits for no parent when the queue fills up, and for none at shutdown", async () => {
  const { requests, start, left, stats } = createRequests(4);
  const ask = (key: string) => {
    const group = requests.open(key);
    start(`${key} receive`, group, REMOTE).end();
    start(`${key} payload`, group).end();
    requests.close(group);
  };
  ask("r1");
  assertEquals(left(), []);
  ask("r2");
  assertEquals(left(), ["r2 receive", "r2 payload"]);
  await requests.shutdown();
  assertEquals([left().length, stats.droppedSpans], [4, 0]);
});

Deno.test("RequestSpans lets everything go at shutdown and counts what comes later as dropped", async () => {
  const { requests, start, stats } = createRequests();
  const group = requests.open("r1");
  start("held", group).end();
  const open = start("open", group);
  await requests.shutdown();
  assertEquals([stats.queuedSpans, stats.droppedSpans], [1, 0]);
  open.end();
  assertEquals([stats.queuedSpans, stats.droppedSpans], [1, 1]);
});
