import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertThrows,
} from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { telemetryTestOptions } from "../../../tests/kit/telemetry_options.ts";
import type { Headers, TelemetryOptions } from "../telemetry.ts";
import { startTelemetry } from "./start.ts";

const OPTIONS = telemetryTestOptions("http://127.0.0.1:9/v1/traces", { exportEnabled: false });
const IDS = { xRequestId: "my-req", requestId: "d70dae74-5a3c-4f7e-9d2b-1a2b3c4d5e6f" };
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

function requestSpan(headers: Headers, options: Partial<TelemetryOptions> = {}) {
  return startTelemetry({ ...OPTIONS, ...options }).serverSpan("http_request", headers, IDS);
}

Deno.test("startTelemetry refuses a log filter that does not parse", () => {
  assertThrows(() => startTelemetry({ ...OPTIONS, logFilter: "bus:debug" }), SyntaxError);
});

Deno.test("serverSpan continues a valid parent: same trace, new span, flags, tracestate, baggage", () => {
  const span = requestSpan({
    traceparent: `00-${TRACE}-${SPAN}-03`,
    tracestate: "rojo=1 , t@congo=2",
    baggage: "userId=alice, bad member, mood=%F0%9F%99%82;p=1",
  });
  assertEquals(span.traceId, TRACE);
  assertNotEquals(span.spanId, SPAN);
  assertEquals(span.isSampled, true);
  assertEquals(span.headers(), {
    traceparent: `00-${TRACE}-${span.spanId}-03`,
    tracestate: "rojo=1,t@congo=2",
    baggage: "userId=alice,mood=%F0%9F%99%82;p=1",
    "x-request-id": IDS.xRequestId,
    "request-id": IDS.requestId,
  });
});

Deno.test("serverSpan keeps an unsampled trace unsampled, with ids of its own", () => {
  const span = requestSpan({ traceparent: `00-${TRACE}-${SPAN}-00` });
  const child = span.child("preprocess");
  assertEquals([span.isSampled, child.isSampled], [false, false]);
  assertNotEquals(child.spanId, span.spanId);
  assertEquals(child.headers().traceparent, `00-${TRACE}-${child.spanId}-00`);
});

Deno.test("a span's log lines have the request's tracestate, without what looks like a secret", async () => {
  const folder = await Deno.makeTempDir();
  const logFile = join(folder, "frontend.jsonl");
  const telemetry = startTelemetry(telemetryTestOptions("http://127.0.0.1:9/v1/traces", {
    exportEnabled: false,
    logFile,
    logFilter: "request_span=off,info",
  }));
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const open = (headers: Headers) => telemetry.serverSpan("http_request", headers, null);
  open({ traceparent, tracestate: "rojo=1,token=ghp_0123456789abcdefghijABCDEFGHIJ012345" })
    .log.info("with");
  open({ traceparent }).log.info("without");
  await telemetry.shutdown("test", 1000);
  const lines = (await Deno.readTextFile(logFile)).trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  await Deno.remove(folder, { recursive: true });
  assertEquals(lines.map(({ message, tracestate }) => [message, tracestate]), [
    ["with", "rojo=1,token=[redacted]"],
    ["without", undefined],
  ]);
});

Deno.test("serverSpan starts a sampled trace without a valid traceparent, and forgets its tracestate", () => {
  const cases: Headers[] = [{ tracestate: "rojo=1" }, { traceparent: "bad", tracestate: "rojo=1" }];
  for (const headers of cases) {
    const { traceparent, tracestate } = requestSpan(headers).headers();
    assertMatch(traceparent!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    assertEquals(tracestate, undefined);
  }
});

Deno.test("serverSpan keeps the parent when only the tracestate is invalid", () => {
  const headers = requestSpan({
    traceparent: `00-${TRACE}-${SPAN}-01`,
    tracestate: "rojo=1,BAD=2",
  }).headers();
  assert(headers.traceparent?.includes(TRACE));
  assertEquals(headers.tracestate, undefined);
});

Deno.test("child below the configured level is its parent: ids, headers, and no end of its own", () => {
  const preprocess = requestSpan({}).child("preprocess");
  const tokenize = preprocess.child("tokenize", { attributes: { "prompt.characters": 3 } });
  assertEquals(tokenize.role, "tokenize");
  assertEquals([tokenize.traceId, tokenize.spanId], [preprocess.traceId, preprocess.spanId]);
  assertEquals(tokenize.headers(), preprocess.headers());
  tokenize.set({ "prompt.tokens": 1 });
  tokenize.fail("x", "y");
  tokenize.end();
  assertNotEquals(preprocess.child("http_stream").spanId, preprocess.spanId);
});

Deno.test("child at the configured level is a span of its own", () => {
  const preprocess = requestSpan({}, { level: 2 }).child("preprocess");
  assertNotEquals(preprocess.child("tokenize").spanId, preprocess.spanId);
});

Deno.test("level 0 passes the client's context through unchanged", () => {
  const headers = { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: "rojo=1" };
  const span = requestSpan(headers, { level: 0 });
  assertEquals(span.headers().traceparent, headers.traceparent);
  assertEquals(span.headers().tracestate, "rojo=1");
  assertEquals(span.child("preprocess").headers().traceparent, headers.traceparent);
});

Deno.test("level 0 gives a request without a trace ids for its logs, unsampled", () => {
  const span = requestSpan({}, { level: 0 });
  assertMatch(span.headers().traceparent!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
});

function asksFor(level: number): Headers {
  return { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: `rojo=1,baton=l:${level}` };
}

Deno.test("a request may ask for its own level up to the one that is allowed", () => {
  const isDetailed = (headers: Headers, options: Partial<TelemetryOptions>) => {
    const preprocess = requestSpan(headers, options).child("preprocess");
    return preprocess.child("tokenize").spanId !== preprocess.spanId;
  };
  assertEquals(isDetailed(asksFor(2), {}), false);
  assertEquals(isDetailed(asksFor(2), { remoteLevel: 1 }), false);
  assertEquals(isDetailed(asksFor(2), { remoteLevel: 2 }), true);
  assertEquals(isDetailed(asksFor(3), { remoteLevel: 2 }), true);
  assertEquals(isDetailed(asksFor(1), { remoteLevel: 2, level: 2 }), false);
  assertEquals(isDetailed({}, { remoteLevel: 3 }), false);
  assertEquals(isDetailed(asksFor(3), { remoteLevel: 3, level: 0 }), false);
});

Deno.test("the level that a request asks for goes on with it, whether it is allowed or not", () => {
  for (const remoteLevel of [0, 3] as const) {
    const { tracestate } = requestSpan(asksFor(3), { remoteLevel }).headers();
    assertEquals(tracestate, "rojo=1,baton=l:3");
  }
});

Deno.test("serverSpan reads of clients what the propagators say, of Baton's services always W3C", () => {
  const b3 = { b3: `${TRACE}-${SPAN}-1` };
  const w3c = { traceparent: `00-${TRACE}-${SPAN}-01`, baggage: "k=v" };
  assertNotEquals(requestSpan(b3).traceId, TRACE);
  assertEquals(requestSpan(b3, { propagators: ["b3"] }).traceId, TRACE);
  assertEquals(requestSpan(b3, { propagators: ["b3multi"] }).traceId, TRACE);
  assertNotEquals(requestSpan(w3c, { propagators: ["b3"] }).traceId, TRACE);
  const ofNone = requestSpan(w3c, { propagators: [] });
  assertNotEquals(ofNone.traceId, TRACE);
  assertEquals(ofNone.headers().baggage, undefined);
  const worker = startTelemetry({ ...OPTIONS, propagators: [] })
    .serverSpan("handle_payload", w3c, IDS);
  assertEquals([worker.traceId, worker.headers().baggage], [TRACE, "k=v"]);
});

Deno.test("rootSpan belongs to no request", () => {
  const span = startTelemetry(OPTIONS).rootSpan("worker_start");
  assertEquals(Object.keys(span.headers()), ["traceparent"]);
});

Deno.test("reference reads a valid traceparent only", () => {
  const telemetry = startTelemetry(OPTIONS);
  assertEquals(telemetry.reference({ traceparent: `00-${TRACE}-${SPAN}-00` }), {
    traceId: TRACE,
    spanId: SPAN,
  });
  assertEquals(telemetry.reference({ traceparent: "no" }), null);
  assertEquals(telemetry.reference({}), null);
});

Deno.test("a span that has ended ignores everything and still gives its headers", () => {
  const span = requestSpan({});
  span.end();
  span.end();
  span.set({ "http.route": "/x" });
  span.event("first_token");
  span.link({ traceId: TRACE, spanId: SPAN });
  span.fail("x", "y");
  assert(span.headers().traceparent?.includes(span.spanId));
});

Deno.test("shutdown without export resolves, twice too", async () => {
  const telemetry = startTelemetry(OPTIONS);
  telemetry.serverSpan("http_request", {}, IDS);
  await telemetry.shutdown("SIGTERM", 1000);
  await telemetry.shutdown("SIGTERM", 1000);
});
