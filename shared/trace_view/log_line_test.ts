import { assert, assertEquals } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { telemetryTestOptions } from "../../tests/kit/telemetry_options.ts";
import { startTelemetry, type Telemetry } from "../telemetry/mod.ts";
import { readLogLine } from "./log_line.ts";
import type { ViewSpan } from "./span.ts";

const IDS = { xRequestId: "my-req", requestId: "d70dae74-5a3c-4f7e-9d2b-1a2b3c4d5e6f" };
const CLIENT_TRACE = "0af7651916cd43dd8448eb211c80319c";
const CLIENT_SPAN = "b7ad6b7169203331";
const START_MS = 1_764_099_480_123.25;

/** The spans that a service's log file tells of, in the order of its lines. */
async function logged(run: (telemetry: Telemetry) => void): Promise<ViewSpan[]> {
  const folder = await Deno.makeTempDir();
  try {
    const logFile = join(folder, "logs", "frontend.jsonl");
    const telemetry = startTelemetry(telemetryTestOptions("http://127.0.0.1:9/v1/traces", {
      serviceName: "baton-frontend",
      resource: { "host.name": "h1" },
      exportEnabled: false,
      logFile,
    }));
    run(telemetry);
    await telemetry.shutdown("test", 1000);
    const lines = (await Deno.readTextFile(logFile)).trim().split("\n");
    return lines.map((line) => {
      const reading = readLogLine(line, "file");
      assert(reading.type === "span", line);
      return (reading as { span: ViewSpan }).span;
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("readLogLine reads all that telemetry logs of a span", async () => {
  const [entry, entryOfChild, child, root] = await logged((telemetry) => {
    const span = telemetry.serverSpan(
      "http_request",
      {
        traceparent: `00-${CLIENT_TRACE}-${CLIENT_SPAN}-01`,
        tracestate: "rojo=1",
      },
      IDS,
      { startMs: START_MS, attributes: { "http.route": "/x" } },
    );
    const preprocess = span.child("preprocess", { startMs: START_MS + 1 });
    preprocess.set({ "prompt.tokens": 12 });
    preprocess.end(START_MS + 2);
    span.event("first_token", {}, START_MS + 2.5);
    span.event("migrated", { attempt: 2, "error.type": "worker_lost" }, START_MS + 3);
    span.link({ traceId: CLIENT_TRACE, spanId: "00f067aa0ba902b7" });
    span.set({ ttft_ms: 2.5, "gen_ai.response.finish_reasons": ["stop"] });
    span.fail("overload", "Cannot queue");
    span.end(START_MS + 4.5);
  });
  assertEquals([entry?.spanId, entry?.endUs], [root?.spanId, null]);
  assertEquals(entry?.startUs, START_MS * 1000);
  assertEquals([entryOfChild?.name, entryOfChild?.spanId], ["preprocess", child?.spanId]);
  assertEquals(child, {
    traceId: CLIENT_TRACE,
    spanId: child?.spanId,
    parentSpanId: root?.spanId,
    name: "preprocess",
    kind: "internal",
    service: "baton-frontend",
    instance: "i-1",
    host: "h1",
    startUs: START_MS * 1000 + 1000,
    endUs: START_MS * 1000 + 2000,
    status: "unset",
    statusMessage: "",
    // The request's ids are on the line, and no attributes of this role.
    attributes: { "prompt.tokens": 12 },
    events: [],
    links: [],
    isSampled: true,
  } as unknown as ViewSpan);
  assertEquals(
    [root?.parentSpanId, root?.kind, root?.endUs],
    [CLIENT_SPAN, "server", START_MS * 1000 + 4500],
  );
  assertEquals(root?.attributes, {
    "error.type": "overload",
    "gen_ai.response.finish_reasons": ["stop"],
    "http.route": "/x",
    request_id: IDS.requestId,
    ttft_ms: 2.5,
    x_request_id: IDS.xRequestId,
  });
  assertEquals(root?.events, [
    { name: "first_token", timeUs: START_MS * 1000 + 2500, attributes: {} },
    {
      name: "migrated",
      timeUs: START_MS * 1000 + 3000,
      attributes: { attempt: 2, "error.type": "worker_lost" },
    },
  ]);
  assertEquals(root?.links, [{ traceId: CLIENT_TRACE, spanId: "00f067aa0ba902b7" }]);
  assertEquals([root?.status, root?.statusMessage], ["error", "Cannot queue"]);
});

Deno.test("readLogLine tells that a trace is not sampled", async () => {
  const spans = await logged((telemetry) => {
    telemetry.serverSpan("http_request", {
      traceparent: `00-${CLIENT_TRACE}-${CLIENT_SPAN}-00`,
    }, IDS).end();
  });
  assertEquals(spans.map(({ isSampled }) => isSampled), [false, false]);
});

const DYNAMO = {
  time: "2026-11-24T17:23:49.129563Z",
  level: "INFO",
  target: "request_span",
  message: "SPAN_CLOSED",
  component: "backend",
  "otel.kind": "server",
  parent_id: "cb6829152ba7964d",
  span_id: "57ddeeb7fdbb137b",
  span_name: "handle_payload",
  "time.busy_us": 966,
  "time.duration_us": 59566,
  "time.idle_us": 58600,
  trace_id: CLIENT_TRACE,
  x_request_id: "my-req-0",
};

Deno.test("readLogLine reads a line of Dynamo, which has no start and no service", () => {
  const reading = readLogLine(JSON.stringify(DYNAMO), "worker");
  assert(reading.type === "span");
  const { span } = reading as { span: ViewSpan };
  assertEquals([span.service, span.kind, span.parentSpanId], [
    "worker",
    "server",
    "cb6829152ba7964d",
  ]);
  assertEquals((span.endUs ?? 0) - span.startUs, 59566);
  assertEquals(span.endUs, Date.parse(DYNAMO.time) * 1000);
});

Deno.test("readLogLine passes over other lines", () => {
  for (
    const line of [
      "",
      "[WRN] nats",
      '{"message":"request received"}',
      '{"message":"said SPAN_CLOSED"}',
      '{"message":"x","note":"SPAN_CLOSED"}',
    ]
  ) assertEquals(readLogLine(line, "f"), { type: "other" }, line);
});

Deno.test("readLogLine calls a span line broken that is cut off or lacks what a span needs", () => {
  const whole = JSON.stringify(DYNAMO);
  const lines = [
    whole.slice(0, -1),
    whole.slice(0, 120),
    `${whole}${whole}`,
    JSON.stringify({ ...DYNAMO, trace_id: "x" }),
    JSON.stringify({ ...DYNAMO, span_name: 3 }),
    JSON.stringify({ ...DYNAMO, "time.duration_us": "long" }),
    JSON.stringify({ ...DYNAMO, time: "yesterday" }),
  ];
  for (const line of lines) assertEquals(readLogLine(line, "f"), { type: "broken" }, line);
});

Deno.test("readLogLine leaves out what has the wrong shape and keeps the span", () => {
  const line = JSON.stringify({
    ...DYNAMO,
    parent_id: DYNAMO.span_id,
    "otel.kind": "sideways",
    "otel.events": [3, { name: "ok", time_us: 1, attributes: { deep: { no: 1 }, n: 1 } }, {}],
    "otel.links": ["nowhere", 3, `${CLIENT_TRACE}-${CLIENT_SPAN}`],
    nested: { a: 1 },
    list: ["a", { b: 1 }],
    __proto__: { x: 1 },
  });
  const reading = readLogLine(line, "f");
  assert(reading.type === "span");
  const { span } = reading as { span: ViewSpan };
  assertEquals([span.parentSpanId, span.kind], ["", "unspecified"]);
  assertEquals(span.events, [{ name: "ok", timeUs: 1, attributes: { n: 1 } }]);
  assertEquals(span.links, [{ traceId: CLIENT_TRACE, spanId: CLIENT_SPAN }]);
  assertEquals(Object.keys(span.attributes), ["component", "x_request_id"]);
});
