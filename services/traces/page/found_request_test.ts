import { assertEquals } from "@std/assert/mod.js";
import { endedRequestIds, requestIdOf } from "./found_request.ts";
import type { FoundTrace } from "./trace_queries.ts";

function found(traceId: string, spans: readonly [name: string, requestId: string][]): FoundTrace {
  return {
    traceId,
    rootName: "",
    startMs: 0,
    durationMs: 1,
    spans: spans.map(([name, request_id]) => ({
      name,
      startMs: 0,
      durationMs: 1,
      attributes: { request_id },
    })),
    services: [],
    errorCount: 0,
  };
}

Deno.test("endedRequestIds are those of every request's own span, and of no other span", () => {
  const traces = [
    found("t1", [["engine.decode", "runs"], ["http-request", "a"], ["http-request", "b"]]),
    found("t2", [["", "x"]]),
  ];
  assertEquals(endedRequestIds(traces), new Set(["a", "b"]));
});

Deno.test("requestIdOf is the request's, or the trace's where no span tells it", () => {
  assertEquals(requestIdOf(found("t1", [["engine.decode", "b"], ["http-request", "a"]])), "a");
  assertEquals(requestIdOf(found("t1", [])), "t1");
});
