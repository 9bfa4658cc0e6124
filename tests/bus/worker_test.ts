/**
 * The worker's handlers on a real bus and a fake device: phases, hand-over of KV, failures, and the
 * spans that they leave.
 */

import { assert, assertEquals, assertRejects } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { CallError, type Headers } from "../../shared/bus/mod.ts";
import {
  cancellationHeaders,
  endpointSubject,
  type WorkRequest,
} from "../../shared/messages/mod.ts";
import { findOrphans, renderTree, type SinkSpan, startOtlpSink } from "../kit/otlp_sink.ts";
import { within } from "../kit/waits.ts";
import { connectTestBus, NAMESPACE } from "./bus_kit.ts";
import { NatsServer } from "./nats_server_kit.ts";
import { acceptances, collect, endOf, startWorker, tokensOf, workRequest } from "./worker_kit.ts";

Deno.test("generateHandler: prefill and decode together give what aggregated serving gives", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  await using prefill = await startWorker(server, sink, "prefill", { maxRows: 17, maxSlices: 1 });
  await using decode = await startWorker(server, sink, "decode");
  await using caller = await connectTestBus(server);

  const whole = await collect(caller, "decode", workRequest("aggregate"));
  assertEquals(tokensOf(whole).length, 8);
  assertEquals(endOf(whole).finishReason, "length");
  assertEquals(endOf(whole).usage, { promptTokens: 37, cachedTokens: 0, completionTokens: 8 });

  const transferId = crypto.randomUUID();
  const [first, rest] = await Promise.all([
    collect(caller, "prefill", workRequest("prefill", { transferId })),
    collect(caller, "decode", workRequest("decode", { transferId })),
  ]);
  assertEquals(endOf(first).finishReason, "handed_off");
  assertEquals(tokensOf(first), tokensOf(whole).slice(0, 1));
  assertEquals(tokensOf(rest).slice(1), tokensOf(whole).slice(1));
  assert((endOf(rest).timings.kvTransferMs ?? -1) >= 0);
  assertEquals(prefill.engine.load.runningSequences, 0);
  assertEquals(decode.engine.load.runningSequences, 0);
});

Deno.test("generateHandler: a first token that ends the text leaves nothing to decode", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  await using _prefill = await startWorker(server, sink, "prefill");
  await using _decode = await startWorker(server, sink, "decode");
  await using caller = await connectTestBus(server);
  const transferId = crypto.randomUUID();
  const traceId = "9".repeat(32);
  const headers = { traceparent: `00-${traceId}-${"2".repeat(16)}-01` };
  const [first, rest] = await Promise.all([
    collect(caller, "prefill", workRequest("prefill", { transferId, maxTokens: 1 })),
    collect(caller, "decode", workRequest("decode", { transferId, maxTokens: 1 }), { headers }),
  ]);
  assertEquals(endOf(first).finishReason, "length");
  assertEquals(tokensOf(rest), []);
  assertEquals(endOf(rest).usage.completionTokens, 0);
  const spans = await sink.waitForTrace(
    traceId,
    (list) => list.some(({ name }) => name === "engine.decode"),
  );
  const decode = spans.find(({ name }) => name === "engine.decode")!;
  assertEquals(decode.attributes.finish_reason, "stop");
});

Deno.test("generateHandler: the spans of a hand-over are one tree over both workers", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  await using _prefill = await startWorker(server, sink, "prefill", { maxRows: 17, maxSlices: 1 });
  await using _decode = await startWorker(server, sink, "decode");
  await using caller = await connectTestBus(server);
  const transferId = crypto.randomUUID();
  const traceId = "1".repeat(32);
  const headers = {
    traceparent: `00-${traceId}-${"2".repeat(16)}-01`,
    "request-id": "r-1",
    "x-request-id": "x-1",
  };
  await Promise.all([
    collect(caller, "prefill", workRequest("prefill", { transferId }), { headers }),
    collect(caller, "decode", workRequest("decode", { transferId }), { headers }),
  ]);
  const spans = await sink.waitForTrace(
    traceId,
    (list) => list.filter((span) => span.name === "handle_payload").length === 2,
  );
  const tree = renderTree(spans.filter((span) => span.service === "prefill"));
  assertEquals(
    tree.split("\n").map((line) => line.trim().split(" [")[0]),
    [
      "handle_payload",
      "engine.queue",
      "engine.prefill",
      "engine.prefill_chunk",
      "engine.prefill_chunk",
      "engine.prefill_chunk",
      "kv.send",
    ].sort((a, b) => order(a) - order(b)),
    tree,
  );
  const receive = spans.find((span) => span.name === "kv.receive");
  const send = spans.find((span) => span.name === "kv.send");
  assertEquals(receive?.parentSpanId, send?.spanId);
  assertEquals(receive?.service, "decode");
  assertEquals(receive?.attributes["kv.bytes"], send?.attributes["kv.bytes"]);
  const wait = spans.find((span) => span.name === "kv.wait");
  assertEquals(wait?.links, [{ traceId, spanId: receive?.spanId ?? "" }]);
  for (const span of spans) assertEquals(span.hasError, false, span.name);

  function order(name: string): number {
    return tree.indexOf(name);
  }
});

Deno.test("generateHandler: a receiver waits for its sender's spans, and hangs its own elsewhere when they never come", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  // As after a SIGKILL: what has ended there never leaves.
  const lost = { exportTimeoutMs: 1, tracesUrl: "http://127.0.0.1:9/v1/traces" };
  await using _prefill = await startWorker(server, sink, "prefill", { telemetry: lost });
  await using _decode = await startWorker(server, sink, "decode");
  await using caller = await connectTestBus(server);
  const transferId = crypto.randomUUID();
  const [traceId, clientSpan] = ["1".repeat(32), "2".repeat(16)];
  const headers = { traceparent: `00-${traceId}-${clientSpan}-01`, "request-id": "r-1" };
  await Promise.all([
    collect(caller, "prefill", workRequest("prefill", { transferId }), { headers }),
    collect(caller, "decode", workRequest("decode", { transferId }), { headers }),
  ]);
  const spans = await sink.waitForTrace(
    traceId,
    (list) => list.some((span) => span.name === "handle_payload"),
  );
  assertEquals(findOrphans(spans, [clientSpan]), []);
  const payload = spans.find((span) => span.name === "handle_payload");
  const receive = spans.find((span) => span.name === "kv.receive");
  assertEquals([payload?.service, receive?.parentSpanId], ["decode", payload?.spanId]);
  // The link leads to the lost one.
  assertEquals(receive?.links.map((link) => link.traceId), [traceId]);
  assert(!spans.some((span) => span.spanId === receive?.links[0]?.spanId));
});

Deno.test("generateHandler: every frame names the span that made it, and the spans say what it cost", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  await using _decode = await startWorker(server, sink, "decode");
  await using caller = await connectTestBus(server);
  const traceId = "6".repeat(32);
  const subject = endpointSubject(NAMESPACE, "decode", "generate", "decode");
  const parents = new Set<string | undefined>();
  const headers = { traceparent: `00-${traceId}-${"2".repeat(16)}-01`, "request-id": "r-6" };
  for await (const frame of caller.call(subject, workRequest("aggregate"), { headers })) {
    parents.add(frame.headers.traceparent);
  }
  const spans = await sink.waitForTrace(
    traceId,
    (list) => list.some((span) => span.name === "handle_payload"),
  );
  const request = spans.find((span) => span.name === "handle_payload");
  assertEquals([...parents], [`00-${traceId}-${request?.spanId}-01`]);
  assert(Number(request?.attributes["gpu.time_ms"]) >= 0);
  const queue = spans.find((span) => span.name === "engine.queue");
  assertEquals([queue?.attributes["queue.depth"], queue?.attributes["queue.running"]], [0, 0]);
  assertEquals(
    spans.find((span) => span.name === "engine.decode")?.attributes["batch.max_rows"],
    1,
  );
});

Deno.test("generateHandler: a sequence that loses its blocks has the event on the span of its stage", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  const prompts = [1, 2, 3].map((first) => Array.from({ length: 16 }, (_, i) => first * 100 + i));
  const { all, onFrame } = acceptances(prompts.length);
  await using _decode = await startWorker(server, sink, "decode", {
    totalBlocks: 8,
    onStep: () => within("the last of the requests", all),
  });
  await using caller = await connectTestBus(server);
  await Promise.all(prompts.map((promptTokens, i) => {
    const request = workRequest("aggregate", { promptTokens, maxTokens: 60 });
    const headers = {
      traceparent: `00-${"7".repeat(32)}-${"2".repeat(16)}-01`,
      "request-id": `${i}`,
    };
    return collect(caller, "decode", request, { headers, onFrame });
  }));
  const spans = await sink.waitForTrace(
    "7".repeat(32),
    (list) => list.filter((span) => span.name === "handle_payload").length === 3,
  );
  const preempted = spans.filter((span) => span.events.some(({ name }) => name === "preempted"));
  assert(preempted.length > 0);
  assertEquals(new Set(preempted.map((span) => span.name)), new Set(["engine.decode"]));
  const takers = preempted.flatMap((span) =>
    span.events.filter(({ attributes }) => attributes.cause === "preempted")
      .flatMap(({ attributes }) => attributes["other.request_id"] ?? [])
  );
  // The youngest takes nobody's blocks.
  assert(!takers.includes("2"), `${takers}`);
});

/** The spans of a request whose caller leaves at its first token. */
async function spansOfCancelled(cancelHeaders?: () => Headers): Promise<Map<string, SinkSpan>> {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  const held = Promise.withResolvers<void>();
  await using decode = await startWorker(server, sink, "decode", {
    onStep: (slices) => slices[0]?.startPosition === 40 ? held.promise : undefined,
  });
  await using caller = await connectTestBus(server);
  const controller = new AbortController();
  const traceId = "3".repeat(32);
  const call = collect(caller, "decode", workRequest("aggregate", { maxTokens: 64 }), {
    headers: { traceparent: `00-${traceId}-${"2".repeat(16)}-01`, "request-id": "r-2" },
    signal: controller.signal,
    cancelHeaders,
    onFrame: (frame) => frame.kind === "tokens" && controller.abort(new Error("left")),
  });
  await assertRejects(() => call, Error, "left");
  // Pings in turn: the cancel has reached the server, then the worker.
  await caller.ping();
  await decode.bus.ping();
  held.resolve();
  const spans = await sink.waitForTrace(
    traceId,
    (list) => list.some((span) => span.name === "handle_payload"),
  );
  assertEquals(decode.engine.load.runningSequences, 0);
  return new Map(spans.map((span) => [span.name, span]));
}

Deno.test("generateHandler: a caller that leaves frees the sequence and is not an error", async () => {
  const spans = await spansOfCancelled();
  const request = spans.get("handle_payload")!;
  assertEquals(request.attributes["request.outcome"], "cancelled");
  assertEquals(request.attributes["cancellation.signal"], "cancelled");
  assertEquals(request.hasError, false);
  assertEquals(spans.get("engine.decode")?.attributes.finish_reason, "cancelled");
});

Deno.test("generateHandler: a text that met a stop string is a success, and the signal says why it ended", async () => {
  const spans = await spansOfCancelled(() => cancellationHeaders("stop_string"));
  const { attributes } = spans.get("handle_payload")!;
  assertEquals(attributes["request.outcome"], "success");
  assertEquals(attributes["cancellation.signal"], "stop_string");
  assertEquals(attributes["gen_ai.response.finish_reasons"], ["stop"]);
  assertEquals(attributes["gen_ai.usage.input_tokens"], 37);
  assertEquals(spans.get("engine.decode")?.attributes.finish_reason, "stop");
});

Deno.test("generateHandler: a caller that leaves during the hand-over leaves no failed span", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  await using _prefill = await startWorker(server, sink, "prefill");
  await using caller = await connectTestBus(server);
  const controller = new AbortController();
  const traceId = "5".repeat(32);
  // Nobody receives the transfer: after the token, the hand-over is all that is left to wait for.
  const call = collect(caller, "prefill", workRequest("prefill", { transferId: "t-1" }), {
    headers: { traceparent: `00-${traceId}-${"2".repeat(16)}-01`, "request-id": "r-5" },
    signal: controller.signal,
    onFrame: (frame) => frame.kind === "tokens" && controller.abort(new Error("left")),
  });
  await assertRejects(() => call, Error, "left");
  const spans = await sink.waitForTrace(
    traceId,
    (list) => list.some((span) => span.name === "handle_payload"),
  );
  assertEquals(spans.filter((span) => span.hasError).map((span) => span.name), []);
  assertEquals(
    spans.find((span) => span.name === "handle_payload")?.attributes["request.outcome"],
    "cancelled",
  );
});

Deno.test("generateHandler: decode without its KV fails as transfer_failed below its own span", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  await using decode = await startWorker(server, sink, "decode", { transferTimeoutMs: 500 });
  await using caller = await connectTestBus(server);
  const traceId = "4".repeat(32);
  const error = await assertRejects(
    () =>
      collect(caller, "decode", workRequest("decode", { transferId: crypto.randomUUID() }), {
        headers: { traceparent: `00-${traceId}-${"2".repeat(16)}-01`, "request-id": "r-3" },
      }),
    CallError,
  );
  assertEquals(error.remoteCode, "transfer_failed");
  const spans = await sink.waitForTrace(
    traceId,
    (list) => list.some((span) => span.name === "handle_payload"),
  );
  const request = spans.find((span) => span.name === "handle_payload");
  const receive = spans.find((span) => span.name === "kv.receive");
  assertEquals(receive?.parentSpanId, request?.spanId);
  assertEquals(request?.attributes["error.type"], "transfer_failed");
  assertEquals(decode.engine.load.usedBlocks, 0);
});

Deno.test("generateHandler: wrong messages, models and tokens are bad requests, and a full queue says so", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  const running = Promise.withResolvers<void>();
  const block = Promise.withResolvers<void>();
  const folder = await Deno.makeTempDir();
  const logFile = join(folder, "decode.jsonl");
  await using decode = await startWorker(server, sink, "decode", {
    telemetry: { logFile, logFilter: "info" },
    queueLimit: 0,
    maxSlices: 1,
    onStep: () => {
      running.resolve();
      return block.promise;
    },
  });
  await using caller = await connectTestBus(server);
  const code = async (request: WorkRequest) =>
    (await assertRejects(() => collect(caller, "decode", request), CallError)).remoteCode;
  assertEquals(await code({ ...workRequest("aggregate"), model: "other" }), "bad_request");
  assertEquals(await code({ ...workRequest("aggregate"), promptTokens: [] }), "bad_request");
  assertEquals(await code(workRequest("aggregate", { promptTokens: [1e9] })), "bad_request");
  assertEquals(await code({ ...workRequest("aggregate"), phase: "prefill" }), "bad_request");
  const first = collect(caller, "decode", workRequest("aggregate"));
  await running.promise;
  const second = code(workRequest("aggregate"));
  await caller.ping();
  await decode.bus.ping();
  block.resolve();
  assertEquals(await second, "overloaded");
  assertEquals(endOf(await first).finishReason, "length");
  const log = (await Deno.readTextFile(logFile)).trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  const refused = log.filter(({ error_type }) => error_type !== undefined).map((line) =>
    [line.level, line.message, line.status, line.error_type, line.error_code].join(" ")
  );
  assertEquals(refused, [
    ...Array(4).fill("ERROR request completed error validation bad_request"),
    "WARN request rejected rejected overload overloaded",
  ]);
  await Deno.remove(folder, { recursive: true });
});
