import { assertEquals, assertRejects } from "@std/assert/mod.js";
import { findOrphans, renderTree, type SinkSpan, startOtlpSink } from "../kit/otlp_sink.ts";
import { traceFaults } from "../kit/trace_faults.ts";

function span(spanId: string, parentSpanId?: string, more: Partial<SinkSpan> = {}): SinkSpan {
  return {
    traceId: "t1",
    spanId,
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    traceState: "",
    service: "svc",
    resource: {},
    name: `span ${spanId}`,
    kind: "INTERNAL",
    startNs: BigInt(spanId.length),
    endNs: 9n,
    attributes: {},
    events: [],
    links: [],
    hasError: false,
    statusMessage: "",
    ...more,
  };
}

Deno.test("renderTree indents children by parent and orders them by start", () => {
  assertEquals(
    renderTree([span("ccc", "a"), span("bb", "a"), span("a"), span("dddd", "bb")]),
    [
      "span a [svc] INTERNAL",
      "  span bb [svc] INTERNAL",
      "    span dddd [svc] INTERNAL",
      "  span ccc [svc] INTERNAL",
    ].join("\n"),
  );
});

Deno.test("renderTree shows errors, orphans and traces with several tops", () => {
  const tree = renderTree([
    span("a", undefined, { hasError: true, statusMessage: "went away" }),
    span("bb", "gone", { kind: "CONSUMER" }),
  ]);
  assertEquals(
    tree,
    [
      "trace t1 has 2 tops:",
      'span a [svc] INTERNAL ERROR "went away"',
      "span bb [svc] CONSUMER (parent gone is not here)",
    ].join("\n"),
  );
});

Deno.test("findOrphans finds spans whose parent is missing, apart from the client's", () => {
  const spans = [span("a", "client"), span("bb", "a"), span("ccc", "gone")];
  assertEquals(findOrphans(spans, ["client"]).map((it) => it.spanId), ["ccc"]);
});

Deno.test("traceFaults tells several roots, orphans and spans that are not registered", () => {
  assertEquals(traceFaults([span("a"), span("bb"), span("ccc", "gone")]), [
    "the trace has 2 roots",
    "span ccc: parent is not there",
    'span "span a" is not registered',
    'span "span bb" is not registered',
    'span "span ccc" is not registered',
  ]);
});

Deno.test("waitFor rejects with the tree that it has when the time is over", async () => {
  await using sink = startOtlpSink();
  const error = await assertRejects(() => sink.waitFor((spans) => spans.length > 0, 10));
  assertEquals(String(error).includes("did not come in 10 ms"), true);
});
