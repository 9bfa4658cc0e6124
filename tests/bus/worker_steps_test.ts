/** What a worker's spans say of the engine's steps: who shared them, what they cost, why a token was late. */

import { assert, assertEquals } from "@std/assert/mod.js";
import { testSimulation } from "../../shared/engine/simulated/testing/test_simulation.ts";
import { validateSpan } from "../../shared/telemetry/registry/validate.ts";
import { type OtlpSink, type SinkSpan, startOtlpSink } from "../kit/otlp_sink.ts";
import { within } from "../kit/waits.ts";
import { connectTestBus } from "./bus_kit.ts";
import { NatsServer } from "./nats_server_kit.ts";
import { acceptances, collect, startWorker, workRequest } from "./worker_kit.ts";

const LONG_PROMPT = 240;
/** Of a step with that prompt: longer than a busy machine lets a step wait. */
const LONG_STEP_MS = 2_000;
const STEP_MS = 10;
const TRACE_A = "a".repeat(32);
const TRACE_B = "b".repeat(32);
const TRACE_C = "c".repeat(32);

function headersOf(traceId: string, tracestate = ""): Record<string, string> {
  return {
    traceparent: `00-${traceId}-${"2".repeat(16)}-01`,
    "request-id": `request-${traceId[0]}`,
    ...(tracestate === "" ? {} : { tracestate }),
  };
}

function unsampledHeadersOf(traceId: string): Record<string, string> {
  const headers = headersOf(traceId);
  return { ...headers, traceparent: `${headers.traceparent?.slice(0, -2)}00` };
}

/** The spans of a trace once its request has ended at the worker, by name. */
async function spansOf(sink: OtlpSink, traceId: string): Promise<Map<string, SinkSpan>> {
  const spans = await sink.waitForTrace(
    traceId,
    (list) => list.some(({ name }) => name === "handle_payload"),
  );
  return new Map(spans.map((span) => [span.name, span]));
}

function prompt(length: number): number[] {
  return Array.from({ length }, (_, index) => 2 + index % 200);
}

Deno.test("a long prompt beside a stream is the cause of its late token, and the trace links to it", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  const accepted = acceptances(1);
  await using _worker = await startWorker(server, sink, "decode", {
    maxRows: 256,
    async onStep(slices) {
      // The stream stands still here until the long prompt has come.
      if (slices[0]?.startPosition === 30) await within("the other request", accepted.all);
      const isLong = slices.some(({ tokens }) => tokens.length === LONG_PROMPT);
      await new Promise((resolve) => setTimeout(resolve, isLong ? LONG_STEP_MS : STEP_MS));
    },
  });
  await using caller = await connectTestBus(server);
  let other: Promise<unknown> | null = null;
  const stream = workRequest("aggregate", { promptTokens: prompt(4), maxTokens: 60 });
  const long = workRequest("aggregate", { promptTokens: prompt(LONG_PROMPT), maxTokens: 4 });
  await collect(caller, "decode", stream, {
    headers: headersOf(TRACE_A),
    onFrame(frame) {
      if (frame.kind !== "tokens" || frame.index < 20) return;
      other ??= collect(caller, "decode", long, {
        headers: headersOf(TRACE_B),
        onFrame: accepted.onFrame,
      });
    },
  });
  await other;
  const a = await spansOf(sink, TRACE_A);
  const b = await spansOf(sink, TRACE_B);
  const decode = a.get("engine.decode")!;
  const gaps = decode.events.filter(({ name }) => name === "itl.gap");
  const gap = gaps.find(({ attributes }) => attributes.cause === "prefill")!;
  assert(gap !== undefined, `${gaps.length} gaps, and none by a prompt`);
  assertEquals(gap.attributes["other.request_id"], "request-b");
  assertEquals(gap.attributes["other.trace_id"], TRACE_B);
  assertEquals(gap.attributes["other.tokens"], LONG_PROMPT);
  // The token before it may have come late itself.
  for (const name of ["gap_ms", "cause_ms"]) {
    const ms = Number(gap.attributes[name]);
    assert(ms > LONG_STEP_MS / 2, `${name}: ${ms}`);
  }
  assert(gap.timeNs >= decode.startNs && gap.timeNs <= decode.endNs);
  const { traceId, spanId } = b.get("handle_payload")!;
  assert(decode.links.some((link) => link.traceId === traceId && link.spanId === spanId));
  assertEquals(
    gap.attributes["engine.step"],
    b.get("engine.prefill")?.attributes["engine.first_step"],
  );
  assertEquals(validateSpan(decode, { name: "handle_payload" }), []);
});

Deno.test("a gap before the last token lies within the span that tells of it", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  const maxTokens = 10;
  const simulation = testSimulation({
    stepMs: 2,
    faults: [{ kind: "slow", step: maxTokens, extraMs: 1000 }],
  });
  await using _worker = await startWorker(server, sink, "decode", { simulation });
  await using caller = await connectTestBus(server);
  await collect(
    caller,
    "decode",
    workRequest("aggregate", { promptTokens: prompt(4), maxTokens }),
    { headers: headersOf(TRACE_A) },
  );
  const decode = (await spansOf(sink, TRACE_A)).get("engine.decode")!;
  const last = decode.events.find(({ attributes }) => attributes["token.index"] === maxTokens - 1)!;
  assertEquals([last.name, last.attributes.cause], ["itl.gap", "engine"]);
  assert(last.timeNs <= decode.endNs);
});

Deno.test("spans tell the steps that a request was in and its share of their time", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  const deviceTimeNs = 3_000_000;
  await using _worker = await startWorker(server, sink, "decode", { maxRows: 24, deviceTimeNs });
  await using caller = await connectTestBus(server);
  await collect(
    caller,
    "decode",
    workRequest("aggregate", { promptTokens: prompt(40), maxTokens: 5 }),
    { headers: headersOf(TRACE_A) },
  );
  const spans = await spansOf(sink, TRACE_A);
  const steps = (name: string) => {
    const { attributes = {} } = spans.get(name) ?? {};
    return [
      attributes["engine.first_step"],
      attributes["engine.last_step"],
      attributes["gpu.time_ms"],
    ];
  };
  assertEquals(steps("engine.prefill"), [0, 1, 6]);
  assertEquals(steps("engine.decode"), [2, 5, 12]);
  assertEquals(steps("handle_payload"), [undefined, undefined, 18]);
  assertEquals(spans.get("engine.prefill_chunk")?.attributes["engine.step"], 1);
});

Deno.test("a request that failed says what it had computed", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  const simulation = testSimulation({ stepMs: 2, faults: [{ kind: "fail", step: 4 }] });
  await using _worker = await startWorker(server, sink, "decode", { simulation });
  await using caller = await connectTestBus(server);
  await collect(caller, "decode", workRequest("aggregate", { promptTokens: prompt(4) }), {
    headers: headersOf(TRACE_A),
  }).catch(() => {});
  const spans = await spansOf(sink, TRACE_A);
  assertEquals(spans.get("handle_payload")?.attributes["simulated.time_ms"], 6);
  assertEquals(spans.get("engine.decode")?.attributes["engine.last_step"], 2);
});

Deno.test("a request of level 3 has its steps as traces that link to it, with the device's passes", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  await using worker = await startWorker(server, sink, "decode", {
    simulation: testSimulation({ stepMs: 2 }),
    // The sampler would take none of them for their own trace's sake.
    telemetry: { level: 1, remoteLevel: 3, sampler: { name: "parentbased_always_off", ratio: 0 } },
  });
  await using caller = await connectTestBus(server);
  const request = workRequest("aggregate", { promptTokens: prompt(4), maxTokens: 3 });
  await collect(caller, "decode", request, { headers: headersOf(TRACE_B) });
  await collect(caller, "decode", request, { headers: headersOf(TRACE_A, "baton=l:3") });
  await worker.telemetry.shutdown("test", 5_000);
  const spans = sink.spans();
  const asked = spans.find((span) => span.traceId === TRACE_A && span.name === "handle_payload")!;
  const steps = spans.filter(({ name }) => name === "engine.step");
  assertEquals(steps.map(({ attributes }) => attributes["engine.step"]), [3, 4, 5]);
  assertEquals(new Set(steps.map(({ traceId }) => traceId)).size, 3);
  for (const step of steps) {
    assertEquals(step.links, [{ traceId: TRACE_A, spanId: asked.spanId }]);
    assertEquals(validateSpan(step, "root"), []);
    const passes = spans.filter(({ parentSpanId }) => parentSpanId === step.spanId);
    assertEquals(
      passes.map(({ name }) => name).toSorted(),
      ["simulated.embed", "simulated.layers", "simulated.output", "simulated.sample"],
    );
    for (const pass of passes) {
      assert(pass.startNs >= step.startNs && pass.endNs <= step.endNs, pass.name);
      assertEquals(validateSpan(pass, { name: "engine.step" }), []);
    }
    const layers = passes.find(({ name }) => name === "simulated.layers");
    assert(Number(layers?.attributes.linear_ms) > 0);
  }
});

Deno.test("a step links to all of its requests of level 3, and to no other", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  const asked = [TRACE_A, TRACE_B];
  const headers = [...asked.map((id) => headersOf(id, "baton=l:3")), headersOf(TRACE_C)];
  const { all, onFrame } = acceptances(headers.length);
  await using worker = await startWorker(server, sink, "decode", {
    telemetry: { level: 1, remoteLevel: 3 },
    onStep: () => within("the last of the requests", all),
  });
  await using caller = await connectTestBus(server);
  const request = workRequest("aggregate", { promptTokens: prompt(4), maxTokens: 8 });
  await Promise.all(
    headers.map((each) => collect(caller, "decode", request, { headers: each, onFrame })),
  );
  await worker.telemetry.shutdown("test", 5_000);
  const steps = sink.spans().filter(({ name }) => name === "engine.step");
  const shared = steps.filter(({ attributes }) => attributes["batch.sequences"] === 3);
  assert(shared.length > 0);
  for (const { links } of shared) {
    assertEquals(links.map(({ traceId }) => traceId).toSorted(), asked);
  }
});

Deno.test("a worker forgets the requests that have ended, but for the last", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  await using worker = await startWorker(server, sink, "decode");
  await using caller = await connectTestBus(server);
  const ask = () => collect(caller, "decode", workRequest("aggregate", { maxTokens: 1 }));
  await ask();
  const [first] = worker.steps.at(0)?.report.members ?? [];
  assert(worker.steps.requestOf(first!.sequenceId) !== null);
  for (let request = 0; request < 70; request++) await ask();
  assertEquals(worker.steps.requestOf(first!.sequenceId), null);
});

Deno.test("a request of level 3 that is kept in the end has its steps, one that is not leaves none", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  await using worker = await startWorker(server, sink, "decode", {
    simulation: testSimulation({ stepMs: 2 }),
    telemetry: {
      level: 3,
      sampler: { name: "parentbased_always_off", ratio: 0 },
      keep: { slowerThan: null, maxBytes: 2 ** 20, waitMs: 60_000 },
    },
  });
  await using caller = await connectTestBus(server);
  const request = workRequest("aggregate", { promptTokens: prompt(4), maxTokens: 20 });
  const calls = [TRACE_A, TRACE_B, TRACE_C].map((traceId) =>
    collect(caller, "decode", request, { headers: unsampledHeadersOf(traceId) })
  );
  await Promise.all(calls);
  assert(worker.telemetry.exporter.heldSpans > 0);
  worker.telemetry.keep("request-a");
  worker.telemetry.keep("request-b");
  await worker.telemetry.shutdown("test", 5_000);
  const spans = sink.spans();
  const kept = spans.filter(({ name }) => name === "handle_payload").map(({ traceId }) => traceId);
  assertEquals(kept.toSorted(), [TRACE_A, TRACE_B]);
  const steps = spans.filter(({ name }) => name === "engine.step");
  // Steps that both were in have left once.
  assertEquals(new Set(steps.map(({ spanId }) => spanId)).size, steps.length);
  for (const traceId of kept) {
    const ofRequest = steps.filter(({ links }) => links.some((link) => link.traceId === traceId));
    assertEquals(ofRequest.length, 20);
  }
  for (const step of steps) {
    assert(step.links.some((link) => kept.includes(link.traceId)));
    assertEquals(validateSpan(step, "root"), []);
    const passes = spans.filter(({ parentSpanId }) => parentSpanId === step.spanId);
    assertEquals(passes.length, 4);
  }
});
