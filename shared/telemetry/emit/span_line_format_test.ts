import { assertEquals } from "@std/assert/mod.js";
import { formatLine, formatPrepared, lineStart } from "../log/mod.ts";
import { type SpanFacts, type SpanLineFields, SpanLineFormats } from "./span_line_format.ts";

const PROCESS = { "service.name": "baton", "service.instance.id": "i-1", "host.name": "h" };
const HEAD = {
  timeMs: 1_764_099_480_123.456,
  level: "info",
  target: "request_span",
  message: "SPAN_CLOSED",
} as const;
const FACTS: SpanFacts = {
  ids: {
    trace_id: "0af7651916cd43dd8448eb211c80319c",
    span_id: "b7ad6b7169203331",
    parent_id: "00f067aa0ba902b7",
    span_name: "http-request",
    tracestate: "a=1,b=2",
    x_request_id: 'x "quoted" \u2028',
    request_id: "r",
  },
  attributes: {
    "http.route": "/v1/chat/completions",
    "gen_ai.request.stream": true,
    "gen_ai.request.top_p": 0.5,
    "gen_ai.response.finish_reasons": ["stop", "a\nb"],
    "user_agent.original": "\ud800\u0000\u0085 🙂",
    "url.path": "x".repeat(1_000_000),
    "error.type": "overload",
    x_request_id: "an attribute of the same name",
  },
  trace_flags: "01",
};
const LINES: SpanLineFields[] = [
  { "time.start_us": 1_764_099_480_123_456 },
  {
    "otel.events": [{ name: "migrated", time_us: 5, attributes: { attempt: 2, why: "\u2029" } }],
    "otel.links": ["a-b"],
    "otel.status_code": "ERROR",
    "otel.status_description": "Cannot\ngo on",
    "time.start_us": 1,
    "time.busy_us": 2,
    "time.idle_us": 3,
    "time.duration_us": 5,
  },
];

Deno.test("a prepared line of a span is what formatLine makes of the same record", () => {
  const format = new SpanLineFormats(PROCESS).of("http_request");
  const members = format.begin(FACTS);
  for (const line of [...LINES, ...LINES]) {
    const prepared = formatPrepared(
      HEAD.timeMs,
      lineStart(HEAD) + members.json(line),
      false,
    );
    const record = { ...HEAD, fields: format.fields(FACTS, line), ids: FACTS.ids };
    assertEquals(prepared, formatLine(record, { isJsonl: true, useLocalTz: false }));
    assertEquals(/[\n\u0085\u2028\u2029]/.exec(prepared)?.index, prepared.length - 1);
  }
});

Deno.test("an attribute that is set again is told as it was set last", () => {
  const format = new SpanLineFormats(PROCESS).of("http_request");
  const members = format.begin(FACTS);
  const [line] = LINES;
  members.set({ "http.route": "/v1/completions", attempts: 2, x_request_id: "not the id" });
  const read = JSON.parse(`{"a":0${members.json(line!)}}`);
  assertEquals(
    [read["http.route"], read.attempts, read.x_request_id],
    ["/v1/completions", 2, FACTS.ids.x_request_id],
  );
});

Deno.test("a prepared line leaves out what a span does not have", () => {
  const format = new SpanLineFormats(PROCESS).of("preprocess");
  const ids = { trace_id: "t", span_id: "s", span_name: "preprocess" };
  const facts = { ids, attributes: {}, trace_flags: "00" };
  assertEquals(JSON.parse(`{"a":0${format.begin(facts).json({ "time.start_us": 7 })}}`), {
    a: 0,
    ...PROCESS,
    ...ids,
    "otel.kind": "internal",
    trace_flags: "00",
    "time.start_us": 7,
  });
});
