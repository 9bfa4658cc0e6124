import { assertAlmostEquals, assertEquals, assertMatch } from "@std/assert/mod.js";
import { readOtlpJson } from "../../../shared/trace_view/otlp_json.ts";
import { PageSpan } from "./page_span.ts";

Deno.test("PageSpan is drawn as it is sent", () => {
  const span = new PageSpan();
  span.event("first_token");
  span.end("error", "the worker died");
  const [sent] = readOtlpJson(span.exportRequest());
  const drawn = span.view();
  const { startUs, endUs, events, ...rest } = sent;
  assertAlmostEquals(startUs, drawn.startUs, 1);
  assertAlmostEquals(endUs ?? 0, drawn.endUs ?? 0, 1);
  assertEquals(events.map(({ name }) => name), ["first_token"]);
  assertEquals({ ...rest, startUs: 0, endUs: 0, events: [] }, {
    ...drawn,
    startUs: 0,
    endUs: 0,
    events: [],
  });
  assertEquals([sent.status, sent.statusMessage], ["error", "the worker died"]);
});

Deno.test("PageSpan names itself as the parent of what it calls", () => {
  const span = new PageSpan();
  assertMatch(span.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  assertEquals(span.traceparent.split("-").slice(1, 3), [span.traceId, span.spanId]);
});
