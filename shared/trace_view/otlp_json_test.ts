import { assertEquals } from "@std/assert/mod.js";
import { readOtlpJson } from "./otlp_json.ts";

const HEX = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "26ee52ca6227b422" };
const BASE64 = { traceId: "S/kvNXezTaajzpKdDg5HNg==", spanId: "Ju5SymIntCI=" };

function body(span: Record<string, unknown>): Record<string, unknown> {
  return {
    resourceSpans: [{
      resource: {
        attributes: [
          { key: "service.name", value: { stringValue: "decode" } },
          { key: "service.instance.id", value: { stringValue: "d-1" } },
          { key: "host.name", value: { stringValue: "h1" } },
        ],
      },
      scopeSpans: [{ scope: { name: "baton" }, spans: [span] }],
    }],
  };
}

const SPAN = {
  ...HEX,
  parentSpanId: "5507e5bee623a28b",
  name: "handle_payload",
  kind: 5,
  startTimeUnixNano: "1795543304845235456",
  endTimeUnixNano: "1795543305145235456",
  attributes: [
    { key: "s", value: { stringValue: "x" } },
    { key: "i", value: { intValue: "42" } },
    { key: "big", value: { intValue: "9007199254740993" } },
    { key: "d", value: { doubleValue: 0.5 } },
    { key: "b", value: { boolValue: false } },
    { key: "a", value: { arrayValue: { values: [{ stringValue: "p" }, { intValue: 2 }] } } },
    { key: "map", value: { kvlistValue: { values: [] } } },
    { key: "none", value: {} },
    "junk",
  ],
  events: [{
    timeUnixNano: "1795543304945235456",
    name: "first_token",
    attributes: [{ key: "index", value: { intValue: "0" } }],
  }],
  links: [{ ...HEX }, { traceId: "junk!" }],
  status: { code: 2, message: "gone" },
};

Deno.test("readOtlpJson reads a span with all its parts", () => {
  const [span] = readOtlpJson(body(SPAN));
  assertEquals(span, {
    ...HEX,
    parentSpanId: "5507e5bee623a28b",
    name: "handle_payload",
    kind: "consumer",
    service: "decode",
    instance: "d-1",
    host: "h1",
    startUs: 1795543304845235.456,
    endUs: 1795543305145235.456,
    status: "error",
    statusMessage: "gone",
    attributes: {
      s: "x",
      i: 42,
      big: "9007199254740993",
      d: 0.5,
      b: false,
      a: ["p", 2],
      map: '{"kvlistValue":{"values":[]}}',
    },
    events: [{
      name: "first_token",
      timeUs: 1795543304945235.456,
      attributes: { index: 0 },
    }],
    links: [HEX],
    isSampled: true,
  });
});

Deno.test("readOtlpJson reads Tempo's dialect in both of its frames", () => {
  const span = {
    ...SPAN,
    ...BASE64,
    parentSpanId: BASE64.spanId,
    kind: "SPAN_KIND_CONSUMER",
    status: { code: "STATUS_CODE_ERROR" },
    links: [BASE64],
  };
  const { resourceSpans } = body(span);
  for (const frame of [{ trace: { resourceSpans } }, { batches: resourceSpans }]) {
    const [read] = readOtlpJson(frame);
    assertEquals(
      [read?.traceId, read?.parentSpanId, read?.kind, read?.status, read?.links],
      [HEX.traceId, HEX.spanId, "consumer", "error", [HEX]],
    );
  }
});

Deno.test("readOtlpJson reads zero fields that are left out", () => {
  const [span] = readOtlpJson(body({ ...HEX, name: "root", startTimeUnixNano: "1000" }));
  assertEquals(
    [span?.parentSpanId, span?.kind, span?.status, span?.startUs, span?.endUs],
    ["", "unspecified", "unset", 1, null],
  );
});

Deno.test("readOtlpJson finds no span in what is none", () => {
  const bodies = [
    null,
    3,
    "x",
    [],
    {},
    { trace: {}, metrics: {} },
    { resourceSpans: "x" },
    { resourceSpans: [null, { scopeSpans: [{ spans: [null, 3, {}] }] }] },
    body({ name: "no id" }),
    body({ ...HEX, traceId: "***" }),
  ];
  for (const it of bodies) assertEquals(readOtlpJson(it), [], JSON.stringify(it));
});
