import { ROOT_CONTEXT, type SpanContext, trace, TraceFlags } from "@opentelemetry/api";
import { type ReadableSpan, TracerProvider } from "@opentelemetry/sdk-trace";
import { assertEquals } from "@std/assert/mod.js";
import { deadline } from "@std/async/deadline.js";
import { RemoteParents } from "./remote_parents.ts";

const REMOTE: SpanContext = {
  traceId: "1".repeat(32),
  spanId: "2".repeat(16),
  traceFlags: TraceFlags.SAMPLED,
  isRemote: true,
};
const STAND_IN = { traceId: REMOTE.traceId, spanId: "3".repeat(16) };
const LONG_MS = 3_600_000;

/** Parents whose word may take `waitMs`, and what has left of what waited for them. */
function createParents(waitMs: number) {
  const left: ReadableSpan[] = [];
  const hasLeft = Promise.withResolvers<void>();
  const parents = new RemoteParents(waitMs, (spans) => {
    left.push(...spans.map((span) => parents.settled(span)));
    hasLeft.resolve();
  });
  return { parents, left, hasLeft: hasLeft.promise };
}

function remoteChild(parents: RemoteParents): ReadableSpan {
  const context = trace.setSpanContext(ROOT_CONTEXT, REMOTE);
  const span = new TracerProvider().getTracer("test").startSpan("kv.receive", {}, context);
  span.end();
  const readable = span as unknown as ReadableSpan;
  parents.standIn(readable, STAND_IN);
  return readable;
}

function placeOf({ parentSpanContext, links }: ReadableSpan) {
  return [parentSpanContext?.spanId, links.map(({ context }) => context.spanId)];
}

Deno.test("RemoteParents lets spans go below their parent once that was exported", () => {
  const { parents, left } = createParents(LONG_MS);
  const span = remoteChild(parents);
  assertEquals(parents.takes([span]), true);
  assertEquals(parents.exported(["4".repeat(16)]), false);
  assertEquals(left, []);
  assertEquals(parents.exported([REMOTE.spanId]), true);
  assertEquals(left.map(placeOf), [[REMOTE.spanId, []]]);
});

Deno.test("RemoteParents takes no span whose parent was exported before, and none without another process", () => {
  const { parents, left } = createParents(LONG_MS);
  parents.exported([REMOTE.spanId]);
  const span = remoteChild(parents);
  assertEquals(parents.takes([span]), false);
  assertEquals(placeOf(parents.settled(span)), [REMOTE.spanId, []]);
  const own = new TracerProvider().getTracer("test").startSpan("engine.decode");
  assertEquals(parents.takes([own as unknown as ReadableSpan]), false);
  assertEquals(left, []);
});

Deno.test("RemoteParents puts the stand-in in the place of a parent that nobody exported, and links to it", async () => {
  const { parents, left, hasLeft } = createParents(1);
  parents.takes([remoteChild(parents)]);
  // What waits for a parent keeps no process alive.
  await deadline(hasLeft, 10_000);
  assertEquals(left.map(placeOf), [[STAND_IN.spanId, [REMOTE.spanId]]]);
  assertEquals(left[0]?.spanContext().traceId, REMOTE.traceId);
});

Deno.test("RemoteParents gives a span its place back when the word comes before the collector has it", async () => {
  const { parents, left, hasLeft } = createParents(1);
  parents.takes([remoteChild(parents)]);
  await deadline(hasLeft, 10_000);
  assertEquals(left.map(placeOf), [[STAND_IN.spanId, [REMOTE.spanId]]]);
  assertEquals(parents.exported([REMOTE.spanId]), false);
  assertEquals(left.map(placeOf), [[REMOTE.spanId, []]]);
});

Deno.test("RemoteParents knows of a long request's parent however many words of others come meanwhile", () => {
  const { parents } = createParents(LONG_MS);
  const span = remoteChild(parents);
  parents.exported([REMOTE.spanId, REMOTE.spanId]);
  for (let at = 0; at < 11_000; at++) parents.exported([at.toString(16).padStart(16, "a")]);
  assertEquals(parents.takes([span]), false);
  assertEquals(placeOf(parents.settled(span)), [REMOTE.spanId, []]);
});

Deno.test("RemoteParents takes no span that has no parent at all", () => {
  const { parents } = createParents(LONG_MS);
  const root = new TracerProvider().getTracer("test").startSpan("kv.receive") as unknown;
  parents.standIn(root as ReadableSpan, STAND_IN);
  assertEquals(parents.takes([root as ReadableSpan]), false);
});

Deno.test("RemoteParents tells when nothing waits, however it ended", async () => {
  const { parents, left } = createParents(LONG_MS);
  await parents.none();
  parents.takes([remoteChild(parents)]);
  const none = parents.none();
  parents.endAll();
  await none;
  assertEquals(left.map(placeOf), [[STAND_IN.spanId, [REMOTE.spanId]]]);
});
