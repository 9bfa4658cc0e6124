import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { ROOT_CONTEXT, SpanStatusCode, trace, TraceFlags } from "@opentelemetry/api";
import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { tracesToJson } from "../../otlp/mod.ts";
import { encodeSpans } from "./span_protobuf.ts";
import { ForwardedTraceState } from "./trace_state.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CONTEXT = { traceId: TRACE, spanId: "b7ad6b7169203331", traceFlags: TraceFlags.SAMPLED };
const START_MS = 1_764_099_480_123.25;

/** Spans with all that a span may hold. */
function sampleSpans(): ReadableSpan[] {
  const exporter = new InMemorySpanExporter();
  const tracer = new TracerProvider({
    resource: resourceFromAttributes({ "service.name": "baton", "process.pid": 7 }),
    spanLimits: { eventCountLimit: 2, linkCountLimit: 2, attributeCountLimit: 12 },
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
  }).getTracer("baton", "1.2.3");
  const remote = { ...CONTEXT, isRemote: true, traceState: ForwardedTraceState.parse("a=1,b=2") };
  const parent = tracer.startSpan("parent", {
    kind: 1,
    startTime: START_MS,
    attributes: {
      empty: "",
      short: "POST",
      unicode: "grüße, 你好 🙂 \ud800",
      long: "x".repeat(300),
      longUnicode: "ü".repeat(300),
      zero: 0,
      small: 127,
      large: Number.MAX_SAFE_INTEGER,
      negative: -5,
      double: 0.1,
      yes: true,
      list: ["stop", "", "längth"],
      tooMany: 1,
    },
  }, trace.setSpanContext(ROOT_CONTEXT, remote));
  parent.addEvent("lost", {}, START_MS);
  parent.addEvent("first_token", {}, START_MS + 0.5);
  parent.addEvent("migrated", { attempt: 2, "error.type": "disconnected" }, START_MS + 1.125);
  for (const spanId of ["1", "2", "3"]) {
    parent.addLink({ context: { ...CONTEXT, spanId: spanId.repeat(16) }, attributes: { a: "b" } });
  }
  parent.setStatus({ code: SpanStatusCode.ERROR, message: "Cannot – finish" });
  for (const kind of [0, 2, 3, 4]) {
    const child = tracer.startSpan(
      `child ${kind}`,
      { kind, startTime: START_MS, attributes: { short: "POST", no: false } },
      trace.setSpan(ROOT_CONTEXT, parent),
    );
    child.end(START_MS + kind);
  }
  parent.end(START_MS + 1000.5);
  tracer.startSpan("root").end();
  return exporter.getFinishedSpans();
}

Deno.test("encodeSpans says the same as the SDK's serializer", () => {
  const spans = sampleSpans();
  const expected = ProtobufTraceSerializer.serializeRequest(spans);
  // Twice: the second time keys and texts are known.
  for (let i = 0; i < 2; i++) {
    assertEquals(tracesToJson(encodeSpans(spans)), tracesToJson(expected!));
  }
});

Deno.test("encodeSpans leaves nothing of a batch that it cannot encode in the next one", () => {
  const spans = sampleSpans();
  const [span] = spans;
  const expected = encodeSpans(spans);
  assertThrows(() => encodeSpans([span!, { ...span!, events: [null as never] }]), TypeError);
  assertEquals(encodeSpans(spans), expected);
});

Deno.test("encodeSpans writes times to the nanosecond, whatever the carry", () => {
  const [span] = sampleSpans();
  for (const seconds of [0, 1, 65_535, 65_536, 1_764_099_480, 4_294_967_295, 9_223_372_036]) {
    for (const nanoseconds of [0, 1, 854_775_807, 999_999_999]) {
      const bytes = encodeSpans([{
        ...span!,
        spanContext: () => CONTEXT,
        startTime: [seconds, nanoseconds],
      }]);
      const text = JSON.stringify(tracesToJson(bytes));
      const expected = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
      assertEquals(/"startTimeUnixNano":"(\d+)"/.exec(text)?.[1] ?? "0", String(expected));
    }
  }
});
