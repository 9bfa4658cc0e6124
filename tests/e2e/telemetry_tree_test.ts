/** One disaggregated request over three telemetries, as services make it, at a real OTLP collector. */

import { assert, assertEquals, assertNotEquals } from "@std/assert/mod.js";
import {
  type ActiveSpan,
  type Headers,
  startTelemetry,
  type Telemetry,
  type TelemetryOptions,
} from "../../shared/telemetry/mod.ts";
import { type OtlpSink, renderTree, type SinkSpan, startOtlpSink } from "../kit/otlp_sink.ts";
import { telemetryTestOptions } from "../kit/telemetry_options.ts";
import { traceFaults } from "../kit/trace_faults.ts";

const IDS = { xRequestId: "my-req", requestId: "d70dae74-5a3c-4f7e-9d2b-1a2b3c4d5e6f" };
const CLIENT_TRACE = "0af7651916cd43dd8448eb211c80319c";
const CLIENT_SPAN = "b7ad6b7169203331";
const CLIENT: Headers = {
  traceparent: `00-${CLIENT_TRACE}-${CLIENT_SPAN}-01`,
  tracestate: "rojo=1",
};

interface Services {
  readonly frontend: Telemetry;
  readonly prefill: Telemetry;
  readonly decode: Telemetry;
}

function startServices(sink: OtlpSink, overrides: Partial<TelemetryOptions> = {}): Services {
  const start = (serviceName: string) =>
    startTelemetry(telemetryTestOptions(sink.tracesUrl, { serviceName, ...overrides }));
  return { frontend: start("frontend"), prefill: start("prefill"), decode: start("decode") };
}

async function shutdown({ frontend, prefill, decode }: Services): Promise<void> {
  await Promise.all([frontend, prefill, decode].map((it) => it.shutdown("test", 5_000)));
}

/** Opens one phase's routing; returns what ends it and the headers that go to the worker. */
function route(root: ActiveSpan<"http_request">, phase: "prefill" | "decode") {
  const routing = root.child(phase === "prefill" ? "prefill_routing" : "decode_routing");
  routing.child("select_worker", {
    attributes: { worker_id: phase, "router.candidates": 2, "router.cost": 0.5 },
  }).end();
  const attempt = routing.child("route_request", {
    attributes: { phase, worker_id: phase, attempt: 1 },
  });
  return {
    headers: attempt.headers(),
    end() {
      attempt.set({ "request.outcome": "success" });
      attempt.end();
      routing.end();
    },
  };
}

function handlePayload(worker: Telemetry, component: string, headers: Headers) {
  return worker.serverSpan("handle_payload", headers, IDS, {
    attributes: { component, endpoint: "generate", namespace: "dynamo", instance_id: component },
  });
}

function serveDisaggregated({ frontend, prefill, decode }: Services): ActiveSpan<"http_request"> {
  const root = frontend.serverSpan("http_request", CLIENT, IDS, {
    attributes: { "http.request.method": "POST", "http.route": "/v1/chat/completions" },
  });
  const preprocess = root.child("preprocess");
  preprocess.child("template").end();
  preprocess.child("tokenize", { attributes: { "prompt.tokens": 12 } }).end();
  preprocess.end();

  const prefillRoute = route(root, "prefill");
  const prefilling = handlePayload(prefill, "prefill", prefillRoute.headers);
  prefilling.child("engine_queue").end();
  const compute = prefilling.child("engine_prefill", {
    attributes: { "prompt.tokens": 12, "prompt.cached_tokens": 0 },
  });
  compute.child("engine_prefill_chunk", {
    attributes: { "chunk.index": 0, "chunk.tokens": 12 },
  }).end();
  compute.end();
  const send = prefilling.child("kv_send", { attributes: { "kv.bytes": 4096, "kv.blocks": 1 } });

  const decodeRoute = route(root, "decode");
  const decoding = handlePayload(decode, "decode", decodeRoute.headers);
  const receive = decode.serverSpan("kv_receive", send.headers(), IDS, {
    attributes: { "kv.bytes": 4096, "kv.blocks": 1 },
  });
  receive.end();
  const wait = decoding.child("kv_wait", { links: [receive] });
  wait.end();
  send.end();
  prefilling.set({ "request.outcome": "success" });
  prefilling.end();
  prefillRoute.end();

  const generate = decoding.child("engine_decode");
  generate.event("first_token");
  generate.set({ "output.tokens": 3, itl_p50_ms: 1.5 });
  generate.end();
  decoding.link(prefilling);
  decoding.set({ "request.outcome": "success", "gen_ai.response.finish_reasons": ["stop"] });
  decoding.end();
  decodeRoute.end();

  root.child("http_stream", { attributes: { "stream.chunks": 3 } }).end();
  root.set({ "request.outcome": "success", ttft_ms: 12.25, "gen_ai.usage.output_tokens": 3 });
  root.end();
  return root;
}

const TREE = `\
http-request [frontend] SERVER (parent ${CLIENT_SPAN} is not here)
  preprocess [frontend] INTERNAL
    template [frontend] INTERNAL
    tokenize [frontend] INTERNAL
  prefill_routing [frontend] INTERNAL
    kv_router.select_worker [frontend] INTERNAL
    router.route_request [frontend] PRODUCER
      handle_payload [prefill] CONSUMER
        engine.queue [prefill] INTERNAL
        engine.prefill [prefill] INTERNAL
          engine.prefill_chunk [prefill] INTERNAL
        kv.send [prefill] PRODUCER
          kv.receive [decode] CONSUMER
  decode_routing [frontend] INTERNAL
    kv_router.select_worker [frontend] INTERNAL
    router.route_request [frontend] PRODUCER
      handle_payload [decode] CONSUMER
        kv.wait [decode] INTERNAL
        engine.decode [decode] INTERNAL
  http.stream [frontend] INTERNAL`;

Deno.test("a disaggregated request is one tree below the client's span, at level 2", async () => {
  await using sink = startOtlpSink();
  const services = startServices(sink, { level: 2 });
  serveDisaggregated(services);
  const spans = await sink.waitForTrace(CLIENT_TRACE, (all) => all.length >= 20);
  assertEquals(renderTree(spans), TREE);
  assertEquals(traceFaults(spans, [CLIENT_SPAN]), []);
  await shutdown(services);
});

Deno.test("level 1 leaves out sub-stages and stays one tree", async () => {
  await using sink = startOtlpSink();
  const services = startServices(sink);
  serveDisaggregated(services);
  await shutdown(services);
  const spans = sink.spans();
  assertEquals(
    renderTree(spans),
    TREE.split("\n").filter((line) => !/template|tokenize|chunk/.test(line)).join("\n"),
  );
  assertEquals(traceFaults(spans, [CLIENT_SPAN]), []);
});

Deno.test("exported spans carry ids, tracestate, typed numbers, events, links and the resource", async () => {
  await using sink = startOtlpSink();
  const services = startServices(sink, { resource: { "deployment.environment": "test" } });
  serveDisaggregated(services);
  await shutdown(services);
  const find = (name: string, service: string): SinkSpan => {
    const span = sink.spans().find((it) => it.name === name && it.service === service);
    assert(span !== undefined, `${name} of ${service}`);
    return span!;
  };
  const root = find("http-request", "frontend");
  assertEquals(root.attributes.ttft_ms, 12.25);
  assertEquals(root.attributes["gen_ai.usage.output_tokens"], 3);
  assertEquals(root.attributes.x_request_id, IDS.xRequestId);
  const prefilling = find("handle_payload", "prefill");
  const decoding = find("handle_payload", "decode");
  assertEquals(decoding.traceState, "rojo=1");
  assertEquals(decoding.attributes.request_id, IDS.requestId);
  assertEquals(decoding.attributes["gen_ai.response.finish_reasons"], ["stop"]);
  assertEquals(decoding.links, [{ traceId: CLIENT_TRACE, spanId: prefilling.spanId }]);
  const receive = find("kv.receive", "decode");
  assertEquals(find("kv.wait", "decode").links[0]?.spanId, receive.spanId);
  assertEquals(find("engine.decode", "decode").events.map((event) => event.name), ["first_token"]);
  const { resource } = decoding;
  assertEquals(
    [resource["service.version"], resource["service.instance.id"], resource["process.pid"]],
    ["1.0.0", "i-1", Deno.pid],
  );
  assertEquals(resource["process.runtime.name"], "deno");
  assertEquals(resource["deployment.environment"], "test");
});

Deno.test("spans made from engine timings keep them to the microsecond", async () => {
  await using sink = startOtlpSink();
  const telemetry = startTelemetry(telemetryTestOptions(sink.tracesUrl));
  const startMs = 1_764_099_480_123.25;
  const payload = telemetry.serverSpan("handle_payload", {}, IDS, { startMs });
  const decode = payload.child("engine_decode", { startMs: startMs + 0.5 });
  decode.event("first_token", {}, startMs + 1);
  decode.end(startMs + 2.125);
  payload.end(startMs + 3);
  await telemetry.shutdown("test", 5_000);
  const span = sink.spans().find((it) => it.name === "engine.decode");
  const micros = (ns?: bigint) => Number((ns ?? 0n) / 1000n) - Math.floor(startMs) * 1000;
  assertEquals(
    [span?.startNs, span?.events[0]?.timeNs, span?.endNs].map(micros),
    [750, 1250, 2375],
  );
});

Deno.test("an unsampled request exports nothing", async () => {
  await using sink = startOtlpSink();
  const services = startServices(sink);
  const unsampled = { traceparent: `00-${CLIENT_TRACE}-${CLIENT_SPAN}-00` };
  const root = services.frontend.serverSpan("http_request", unsampled, IDS);
  const attempt = route(root, "decode");
  handlePayload(services.decode, "decode", attempt.headers).end();
  attempt.end();
  root.end();
  assertNotEquals(root.spanId, CLIENT_SPAN);
  await shutdown(services);
  assertEquals(sink.spans(), []);
});

Deno.test("a span that fails has the error's type and text, and needs no outcome", async () => {
  await using sink = startOtlpSink();
  const telemetry = startTelemetry(telemetryTestOptions(sink.tracesUrl));
  const root = telemetry.serverSpan("http_request", {}, IDS);
  root.fail("overload", "Cannot queue the request: all workers are full");
  root.end();
  await telemetry.shutdown("test", 5_000);
  const [span] = sink.spans();
  assertEquals(span?.attributes["error.type"], "overload");
  assertEquals([span?.hasError, span?.statusMessage], [
    true,
    "Cannot queue the request: all workers are full",
  ]);
  assertEquals(traceFaults(sink.spans()), []);
});

Deno.test("shutdown ends open spans with the reason, children first, and keeps one tree", async () => {
  await using sink = startOtlpSink();
  const telemetry = startTelemetry(telemetryTestOptions(sink.tracesUrl));
  const root = telemetry.serverSpan("http_request", {}, IDS);
  const routing = root.child("decode_routing");
  routing.child("route_request", { attributes: { phase: "decode", worker_id: "w", attempt: 1 } });
  await telemetry.shutdown("SIGTERM", 5_000);
  const spans = sink.spans();
  assertEquals(traceFaults(spans), []);
  assertEquals(spans.map((span) => span.attributes["shutdown.reason"]), Array(3).fill("SIGTERM"));
  assertEquals(spans.map((span) => span.name), [
    "router.route_request",
    "decode_routing",
    "http-request",
  ]);
  assert(spans.every((span) => span.hasError && span.statusMessage.includes("SIGTERM")));
});
