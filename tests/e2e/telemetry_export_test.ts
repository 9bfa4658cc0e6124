/** Delivery of spans to collectors that hang, refuse, fail, come late, and from processes that die. */

import { assert, assertEquals, assertObjectMatch } from "@std/assert/mod.js";
import { startTelemetry, type Telemetry } from "../../shared/telemetry/mod.ts";
import { findOrphans, startOtlpSink } from "../kit/otlp_sink.ts";
import { freePort } from "../kit/ports.ts";
import { denoRun, Program, runProgram } from "../kit/program.ts";
import { telemetryTestOptions } from "../kit/telemetry_options.ts";
import { traceFaults } from "../kit/trace_faults.ts";
import { eventually, within } from "../kit/waits.ts";

const PROCESS = "tests/kit/telemetry_process.ts";

/** Makes whole requests of two spans each. */
function makeRequests(telemetry: Telemetry, count: number): void {
  for (let i = 0; i < count; i++) {
    const requestId = `request-${i}`;
    const root = telemetry.serverSpan("http_request", {}, { xRequestId: requestId, requestId });
    root.child("preprocess").end();
    root.end();
  }
}

function unusedUrl(): string {
  return `http://127.0.0.1:${freePort()}/v1/traces`;
}

Deno.test("shutdown delivers 5,000 queued spans, whatever the number of batches", async () => {
  await using sink = startOtlpSink();
  const telemetry = startTelemetry(
    telemetryTestOptions(sink.tracesUrl, {
      queueSize: 8192,
      batchSize: 64,
      scheduleDelayMs: 60_000,
    }),
  );
  makeRequests(telemetry, 2500);
  await telemetry.shutdown("test", 20_000);
  assertEquals(sink.spans().length, 5000);
  assertObjectMatch({ ...telemetry.exporter }, {
    exportedSpans: 5000,
    droppedSpans: 0,
    failedBatches: 0,
    queuedSpans: 0,
  });
});

Deno.test("a queue that is full drops whole requests and counts them", async () => {
  await using sink = startOtlpSink();
  const telemetry = startTelemetry(
    telemetryTestOptions(sink.tracesUrl, {
      queueSize: 101,
      batchSize: 101,
      scheduleDelayMs: 60_000,
    }),
  );
  makeRequests(telemetry, 80);
  assertEquals([telemetry.exporter.queuedSpans, telemetry.exporter.droppedSpans], [100, 60]);
  await telemetry.shutdown("test", 10_000);
  assertEquals(sink.spans().length, 100);
  assertEquals(findOrphans(sink.spans()), []);
});

Deno.test("a time that is no number neither loses a span nor ends the process", async () => {
  await using sink = startOtlpSink();
  const telemetry = startTelemetry(telemetryTestOptions(sink.tracesUrl));
  const requestId = "request-1";
  const root = telemetry.serverSpan("http_request", {}, { xRequestId: requestId, requestId }, {
    startMs: NaN,
  });
  root.child("preprocess", { startMs: -Infinity }).end(NaN);
  root.end(Infinity);
  await telemetry.shutdown("test", 10_000);
  assertEquals(sink.spans().map(({ name }) => name).sort(), ["http-request", "preprocess"]);
});

Deno.test("shutdown gives up within its time when the collector hangs", async () => {
  const released = Promise.withResolvers<null>();
  await using sink = startOtlpSink({ respond: () => released.promise });
  const telemetry = startTelemetry(
    telemetryTestOptions(sink.tracesUrl, { exportTimeoutMs: 600_000 }),
  );
  makeRequests(telemetry, 3);
  await within("the end of the shutdown", telemetry.shutdown("test", 500));
  released.resolve(null);
});

Deno.test("shutdown resolves within its time when nobody listens", async () => {
  const telemetry = startTelemetry(
    telemetryTestOptions(unusedUrl(), { exportTimeoutMs: 600_000, scheduleDelayMs: 60_000 }),
  );
  makeRequests(telemetry, 3);
  await within("the end of the shutdown", telemetry.shutdown("test", 500));
});

Deno.test("spans made before the collector started arrive when it does", async () => {
  const url = unusedUrl();
  const telemetry = startTelemetry(telemetryTestOptions(url, { exportTimeoutMs: 500 }));
  makeRequests(telemetry, 2);
  await eventually(() => telemetry.exporter.failedBatches > 0);
  await using sink = startOtlpSink({ port: Number(new URL(url).port) });
  makeRequests(telemetry, 1);
  const spans = await sink.waitFor((all) => all.length >= 6);
  assertEquals(findOrphans(spans), []);
  await telemetry.shutdown("test", 5_000);
  assertEquals(telemetry.exporter.exportedSpans, 6);
  assertEquals(telemetry.exporter.droppedSpans, 0);
});

Deno.test("spans survive a collector that answers 503 for a while", async () => {
  let refusals = 2;
  await using sink = startOtlpSink({
    respond: () => refusals-- > 0 ? new Response(null, { status: 503 }) : null,
  });
  const telemetry = startTelemetry(
    telemetryTestOptions(sink.tracesUrl, { exportTimeoutMs: 500 }),
  );
  makeRequests(telemetry, 2);
  await sink.waitFor((all) => all.length >= 4);
  await telemetry.shutdown("test", 5_000);
  assertEquals(telemetry.exporter.exportedSpans, 4);
});

Deno.test("a batch that the collector calls wrong is dropped and the next one arrives", async () => {
  let answers = 0;
  await using sink = startOtlpSink({
    respond: () => answers++ === 0 ? new Response(null, { status: 400 }) : null,
  });
  const telemetry = startTelemetry(telemetryTestOptions(sink.tracesUrl));
  makeRequests(telemetry, 1);
  await eventually(() => telemetry.exporter.droppedSpans > 0);
  makeRequests(telemetry, 1);
  await sink.waitFor((all) => all.length >= 2);
  await telemetry.shutdown("test", 5_000);
  assertObjectMatch({ ...telemetry.exporter }, {
    exportedSpans: 2,
    droppedSpans: 2,
    failedBatches: 1,
    queuedSpans: 0,
  });
});

Deno.test("requests go on at once while the collector hangs", async () => {
  const released = Promise.withResolvers<null>();
  await using sink = startOtlpSink({ respond: () => released.promise });
  const telemetry = startTelemetry(telemetryTestOptions(sink.tracesUrl, { queueSize: 10 }));
  for (let i = 0; i < 20; i++) {
    makeRequests(telemetry, 10);
    await nextTurn();
  }
  const { queuedSpans, droppedSpans, exportedSpans } = telemetry.exporter;
  assert(queuedSpans <= 10, `${queuedSpans} queued`);
  assertEquals(queuedSpans + droppedSpans + exportedSpans, 400);
  released.resolve(null);
  await telemetry.shutdown("test", 5_000);
});

Deno.test("a process killed in the middle of a request leaves no orphan", async () => {
  await using sink = startOtlpSink();
  await using child = new Program(denoRun(PROCESS, sink.tracesUrl, "half-request"));
  await sink.waitFor((all) => all.some((span) => span.name === "http-request"));
  child.signal("SIGKILL");
  await child.end();
  const spans = sink.spans();
  assertEquals(spans.map((span) => span.attributes.request_id).filter(Boolean), ["whole"]);
  assertEquals(findOrphans(spans), []);
  assertEquals(spans.length, 4);
});

Deno.test("a process that gets SIGTERM delivers its open request with the reason", async () => {
  await using sink = startOtlpSink();
  await using child = new Program(denoRun(PROCESS, sink.tracesUrl, "half-request"));
  await sink.waitFor((all) => all.some((span) => span.name === "http-request"));
  child.signal("SIGTERM");
  assertEquals((await child.end()).code, 0);
  const half = sink.spans().find((span) => span.attributes.request_id === "half");
  assertEquals(half?.attributes["shutdown.reason"], "SIGTERM");
  assertEquals(traceFaults(sink.spans().filter((span) => span.traceId === half?.traceId)), []);
});

Deno.test("logs of a process that exits at once are whole JSON lines with the span's ids", async () => {
  const { errors } = await runProgram(denoRun(PROCESS, unusedUrl(), "log"));
  const lines = errors.trim().split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const logged = lines.find((line) => String(line.message).startsWith("two"));
  assertEquals(logged?.message, 'two\nlines {"json": true}');
  assertEquals([logged?.api_key, logged?.tokens], ["[redacted]", 3]);
  assertEquals([logged?.span_name, logged?.request_id], ["http-request", "logged"]);
  const ofRoot = lines.filter((line) =>
    line.span_id === logged?.span_id && line.target === "request_span"
  );
  assertEquals(ofRoot.map((line) => line.message), ["SPAN_FIRST_ENTRY", "SPAN_CLOSED"]);
  const closed = ofRoot[1];
  assertEquals(
    Number(closed?.["time.busy_us"]) + Number(closed?.["time.idle_us"]),
    closed?.["time.duration_us"],
  );
  const preprocess = lines.find((line) => line.span_name === "preprocess");
  assertEquals(preprocess?.parent_id, logged?.span_id);
  assertEquals(preprocess?.trace_id, logged?.trace_id);
});

/** Lets timers and the network run once. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
