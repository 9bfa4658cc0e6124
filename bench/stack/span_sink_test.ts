import { assertEquals } from "@std/assert/mod.js";
import { requestSpans, SPANS_PER_REQUEST } from "../span_bodies.ts";
import { SpanSink } from "./span_sink.ts";

Deno.test("SpanSink counts the spans of what it is sent", async () => {
  await using sink = new SpanSink();
  const { parts } = requestSpans(0, 1n);
  for (const body of parts) {
    const response = await fetch(sink.tracesUrl, { method: "POST", body });
    await response.body?.cancel();
    assertEquals(response.status, 200);
  }
  assertEquals(sink.spans, SPANS_PER_REQUEST);
});
