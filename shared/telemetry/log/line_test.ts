import { assert, assertEquals, assertMatch } from "@std/assert/mod.js";
import { formatLine, formatTime, type LogRecord } from "./line.ts";

const JSONL = { isJsonl: true, useLocalTz: false };
const READABLE = { isJsonl: false, useLocalTz: false };
const IDS = {
  trace_id: "0af7651916cd43dd8448eb211c80319c",
  span_id: "b7ad6b7169203331",
  parent_id: "00f067aa0ba902b7",
  span_name: "http-request",
  x_request_id: "abc",
  request_id: "d70dae74-0000-4000-8000-000000000000",
};
const RECORD: LogRecord = {
  timeMs: 1_764_099_480_123.456,
  level: "info",
  target: "frontend",
  message: "request received",
  fields: { model: "m", elapsed_ms: 1.5, cached: false, absent: undefined, nothing: null },
  ids: IDS,
};

function parse(line: string): Record<string, unknown> {
  // Every character at which some reader would begin a new line.
  assertEquals(/[\n\v\f\r\u0085\u2028\u2029]/.exec(line)?.index, line.length - 1);
  return JSON.parse(line);
}

Deno.test("formatLine writes Dynamo's fields first, then the rest sorted by key", () => {
  assertEquals(Object.keys(parse(formatLine(RECORD, JSONL))), [
    ...["time", "level", "target", "message"],
    ...["cached", "elapsed_ms", "model", "nothing", "parent_id", "request_id"],
    ...["span_id", "span_name", "trace_id", "x_request_id"],
  ]);
});

Deno.test("formatLine keeps the types of values", () => {
  const line = parse(formatLine(RECORD, JSONL));
  assertEquals([line.elapsed_ms, line.cached, line.nothing], [1.5, false, null]);
  assertEquals(line.level, "INFO");
});

Deno.test("formatLine omits ids outside a span and the parent of a root", () => {
  assertEquals(Object.keys(parse(formatLine({ ...RECORD, fields: {}, ids: undefined }, JSONL))), [
    ...["time", "level", "target", "message"],
  ]);
  const root = parse(formatLine({ ...RECORD, ids: { ...IDS, parent_id: undefined } }, JSONL));
  assert(!("parent_id" in root));
});

const NASTY = [
  'line\nbreak\r\n and "quotes" \\ {}',
  "\u0000\u001b[31m\u2028\u2029\u0085",
  "\ud800 lone surrogate",
  "x".repeat(1_000_000),
  "",
];

for (const text of NASTY) {
  Deno.test(`formatLine writes one JSON object a line for ${JSON.stringify(text.slice(0, 30))}`, () => {
    const line = parse(
      formatLine({ ...RECORD, message: text, target: text, fields: { [text]: text } }, JSONL),
    );
    assertEquals(line.message, text);
  });

  Deno.test(`formatLine writes one readable line for ${JSON.stringify(text.slice(0, 30))}`, () => {
    const line = formatLine(
      { ...RECORD, message: text, target: text, fields: { [text]: text } },
      READABLE,
    );
    assertMatch(line, /^[^\p{Cc}\u2028\u2029]*\n$/u);
  });
}

Deno.test("formatLine keeps the schema's keys for itself", () => {
  const fields = { time: "x", level: 3, message: "y", trace_id: "z", span_name: "n", target: "t" };
  const line = parse(formatLine({ ...RECORD, fields }, JSONL));
  assertEquals(line.trace_id, IDS.trace_id);
  assertEquals(line.message, RECORD.message);
  assertEquals(line["field.message"], "y");
  assertEquals(line["field.trace_id"], "z");
});

Deno.test("formatLine lets no field replace the request's ids", () => {
  const line = parse(formatLine({ ...RECORD, fields: { request_id: "forged" } }, JSONL));
  assertEquals(line.request_id, IDS.request_id);
});

Deno.test("formatLine puts keys that look like array indices and prototypes in their place", () => {
  const fields = JSON.parse('{"7": 1, "__proto__": 2}');
  const text = formatLine({ ...RECORD, fields, ids: undefined }, JSONL);
  assertMatch(text, /"message":"request received","7":1,"__proto__":2}\n$/);
});

Deno.test("formatLine writes numbers that JSON lacks as text", () => {
  const line = parse(formatLine({ ...RECORD, fields: { a: NaN, b: -Infinity } }, JSONL));
  assertEquals([line.a, line.b], ["NaN", "-Infinity"]);
});

Deno.test("formatLine hides values of secret keys in both forms", () => {
  const record = { ...RECORD, fields: { authorization: "Bearer hunter2" } };
  for (const options of [JSONL, READABLE]) {
    assert(!formatLine(record, options).includes("hunter2"));
  }
});

Deno.test("formatLine writes a readable line with the span and the start of its trace id", () => {
  assertEquals(
    formatLine({ ...RECORD, fields: { model: "m", error: "two words", n: 3 } }, READABLE),
    "2025-11-25T19:38:00.123456Z  INFO frontend: request received " +
      'model=m error="two words" n=3 [http-request 0af76519]\n',
  );
});

Deno.test("formatTime writes microseconds in UTC", () => {
  assertEquals(formatTime(1_764_099_480_000, false), "2025-11-25T19:38:00.000000Z");
  assertEquals(formatTime(1_764_099_480_999.999, false), "2025-11-25T19:38:00.999999Z");
});

Deno.test("formatTime writes local time with its offset, the same instant", () => {
  const text = formatTime(1_764_099_480_123.456, true);
  assertMatch(text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.123456[+-]\d\d:\d\d$/);
  assertEquals(new Date(text).getTime(), 1_764_099_480_123);
});
