/** The switches of export as a collector sees them: encoding, compression, headers, limits, resource. */

import { assertEquals, assertMatch, assertObjectMatch } from "@std/assert/mod.js";
import { fromFileUrl } from "@std/path/mod.js";
import { loadSettings, telemetryOptions } from "../../shared/config/mod.ts";
import { startTelemetry, type Telemetry } from "../../shared/telemetry/mod.ts";
import { type OtlpSink, startOtlpSink } from "../kit/otlp_sink.ts";
import { traceFaults } from "../kit/trace_faults.ts";
import { eventually } from "../kit/waits.ts";

const IDS = { xRequestId: "x-1", requestId: "r-1" };

/** Telemetry as a service of this environment starts it, exporting to the sink. */
function telemetryIn(env: Record<string, string>, sink: OtlpSink): Telemetry {
  const settings = loadSettings({
    OTEL_EXPORT_ENABLED: "1",
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: sink.tracesUrl,
    DYN_LOG: "off",
    ...env,
  });
  return startTelemetry(telemetryOptions(settings, "frontend", "i-1"));
}

/** A request with every kind of value, of two spans. */
function makeRequest(telemetry: Telemetry): void {
  const root = telemetry.serverSpan("http_request", {}, IDS, {
    attributes: {
      "request.outcome": "success",
      "http.request.method": "POST",
      "http.route": "/v1/chat/completions",
      "gen_ai.request.stream": true,
      "gen_ai.request.top_p": 0.5,
      "gen_ai.response.finish_reasons": ["stop", "length"],
    },
  });
  root.event("migrated", { attempt: 2, "error.type": "disconnected" });
  root.child("preprocess", { attributes: { "prompt.tokens": 12 } }).end();
  root.link({ traceId: "1".repeat(32), spanId: "2".repeat(16) });
  root.end();
}

for (const protocol of ["http/protobuf", "http/json"]) {
  for (const compression of ["none", "gzip"]) {
    Deno.test(`spans arrive whole over ${protocol} with compression ${compression}`, async () => {
      await using sink = startOtlpSink();
      const telemetry = telemetryIn({
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
        OTEL_EXPORTER_OTLP_COMPRESSION: compression,
        OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20t,x-tenant=wrong",
        OTEL_EXPORTER_OTLP_TRACES_HEADERS: "authorization=Bearer%20t,x-tenant=a",
      }, sink);
      makeRequest(telemetry);
      await telemetry.shutdown("test", 5_000);
      const headers = sink.exports()[0]?.headers;
      assertEquals(
        headers?.get("content-type"),
        protocol === "http/json" ? "application/json" : "application/x-protobuf",
      );
      assertEquals(headers?.get("content-encoding"), compression === "gzip" ? "gzip" : null);
      assertEquals(headers?.get("authorization"), "Bearer t");
      assertEquals(headers?.get("x-tenant"), "a");
      assertEquals(traceFaults(sink.spans()), []);
      const root = sink.spans().find(({ name }) => name === "http-request");
      assertEquals(root?.attributes["gen_ai.request.stream"], true);
      assertEquals(root?.attributes["gen_ai.request.top_p"], 0.5);
      assertEquals(root?.attributes["gen_ai.response.finish_reasons"], ["stop", "length"]);
      assertEquals(root?.links, [{ traceId: "1".repeat(32), spanId: "2".repeat(16) }]);
      assertEquals(root?.events.map(({ name, attributes }) => [name, attributes.attempt]), [
        ["migrated", 2],
      ]);
      assertEquals(telemetry.exporter.failedBatches, 0);
    });
  }
}

for (const name of ["OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE"]) {
  Deno.test(`spans go to a collector behind TLS whose authority ${name} names`, async () => {
    const path = (file: string) => fromFileUrl(new URL(`../kit/tls/${file}`, import.meta.url));
    const [cert, key] = await Promise.all(
      ["server.pem", "server_key.pem"].map((file) => Deno.readTextFile(path(file))),
    );
    await using sink = startOtlpSink({ tls: { cert: cert!, key: key! } });
    const trusting = telemetryIn({ [name]: path("ca.pem") }, sink);
    makeRequest(trusting);
    await trusting.shutdown("test", 5_000);
    assertEquals(traceFaults(sink.spans()), []);
    assertEquals(trusting.exporter.exportedSpans, 2);
    const other = telemetryIn({}, sink);
    makeRequest(other);
    await other.shutdown("test", 5_000);
    assertEquals([other.exporter.exportedSpans, other.exporter.droppedSpans], [0, 2]);
  });
}

Deno.test("limits cut what a span holds, and no span is lost by them", async () => {
  await using sink = startOtlpSink();
  const telemetry = telemetryIn({
    OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: "4",
    OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: "3",
    OTEL_SPAN_EVENT_COUNT_LIMIT: "1",
    OTEL_SPAN_LINK_COUNT_LIMIT: "1",
    OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT: "1",
  }, sink);
  const span = telemetry.serverSpan("http_request", {}, IDS);
  span.set({ "http.request.method": "OPTIONS", "http.route": "/long", "url.path": "/long" });
  span.event("first_token");
  span.event("migrated", { attempt: 2, "error.type": "disconnected" });
  for (const digit of ["1", "2"]) {
    span.link({ traceId: digit.repeat(32), spanId: digit.repeat(16) });
  }
  span.end();
  await telemetry.shutdown("test", 5_000);
  const [only] = sink.spans();
  assertEquals(only?.attributes, {
    x_request_id: "x-1",
    request_id: "r-1",
    "http.request.method": "OPTI",
  });
  assertEquals(only?.events.map(({ name, attributes }) => [name, attributes]), [
    ["migrated", { attempt: 2 }],
  ]);
  assertEquals(only?.links.map(({ traceId }) => traceId), ["2".repeat(32)]);
});

Deno.test("the resource has the environment's names, and what the process learns later", async () => {
  await using sink = startOtlpSink();
  const telemetry = telemetryIn({
    OTEL_SERVICE_NAME: "shop",
    OTEL_RESOURCE_ATTRIBUTES: "service.name=ignored,deployment.environment.name=prod",
    DYN_NAMESPACE: "blue",
    POD_NAME: "pod-1",
    NODE_NAME: "node-1",
  }, sink);
  telemetry.describe({ "model.name": "m", "model.digest": "sha", "engine.adapter": "gpu" });
  makeRequest(telemetry);
  await telemetry.shutdown("test", 5_000);
  const resource = sink.spans()[0]?.resource ?? {};
  const expected = {
    "service.name": "shop",
    "service.namespace": "blue",
    "service.instance.id": "i-1",
    "deployment.environment.name": "prod",
    "k8s.pod.name": "pod-1",
    "k8s.node.name": "node-1",
    "model.name": "m",
    "model.digest": "sha",
    "engine.adapter": "gpu",
    "process.pid": Deno.pid,
    "process.runtime.name": "deno",
    "telemetry.sdk.language": "nodejs",
  };
  for (const [name, value] of Object.entries(expected)) assertEquals(resource[name], value, name);
  assertMatch(String(resource["host.name"]), /./);
  assertEquals("k8s.pod.uid" in resource, false);
});

Deno.test("a sampler that takes nothing exports nothing, and ids are still made", async () => {
  await using sink = startOtlpSink();
  const telemetry = telemetryIn({ OTEL_TRACES_SAMPLER: "always_off" }, sink);
  makeRequest(telemetry);
  const span = telemetry.serverSpan("http_request", {}, IDS);
  assertMatch(span.headers().traceparent ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  span.end();
  await telemetry.shutdown("test", 5_000);
  assertEquals(sink.exports().length, 0);
});

Deno.test("a disabled SDK exports nothing and passes the client's context on", async () => {
  await using sink = startOtlpSink();
  const telemetry = telemetryIn({ OTEL_SDK_DISABLED: "true" }, sink);
  const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
  const span = telemetry.serverSpan("http_request", { traceparent }, IDS);
  assertEquals(span.child("preprocess").headers().traceparent, traceparent);
  span.end();
  await telemetry.shutdown("test", 5_000);
  assertEquals(sink.exports().length, 0);
});

Deno.test("a batch that does not arrive in its time is dropped and counted", async () => {
  await using sink = startOtlpSink({ respond: () => new Response(null, { status: 503 }) });
  const telemetry = telemetryIn({
    OTEL_BSP_SCHEDULE_DELAY: "10",
    OTEL_BSP_EXPORT_TIMEOUT: "1",
    OTEL_EXPORTER_OTLP_TIMEOUT: "100",
  }, sink);
  makeRequest(telemetry);
  await eventually(() => telemetry.exporter.droppedSpans > 0);
  assertObjectMatch({ ...telemetry.exporter }, {
    exportedSpans: 0,
    droppedSpans: 2,
    failedBatches: 1,
    queuedSpans: 0,
  });
  await telemetry.shutdown("test", 5_000);
});
