/** Unsampled requests that end slow or failed, in one process and over two. */

import { assert, assertEquals } from "@std/assert/mod.js";
import { renderTree, type SinkSpan, startOtlpSink } from "../../../tests/kit/otlp_sink.ts";
import { telemetryTestOptions } from "../../../tests/kit/telemetry_options.ts";
import { traceFaults } from "../../../tests/kit/trace_faults.ts";
import type { ActiveSpan, KeepOptions, Telemetry } from "../telemetry.ts";
import { startTelemetry } from "./start.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CLIENT_SPAN = "b7ad6b7169203331";
const KEEP: KeepOptions = {
  slowerThan: { of: "time", ms: 1000 },
  maxBytes: 1024 * 1024,
  waitMs: 60_000,
};
const START_MS = 1_764_099_480_000;

interface Options {
  readonly keep: KeepOptions | null;
  readonly ratio: number;
}

function createProcesses(tracesUrl: string, { keep, ratio }: Options) {
  const start = (serviceName: string) =>
    startTelemetry(telemetryTestOptions(tracesUrl, {
      serviceName,
      keep,
      sampler: { name: "parentbased_traceidratio", ratio },
    }));
  return { frontend: start("frontend"), worker: start("worker") };
}

/** What a test says of the request. */
interface Story {
  readonly requestId: string;
  readonly durationMs: number;
  readonly outcome?: "success" | "error" | "rejected" | "cancelled";
  readonly headers?: Record<string, string>;
  /** When the worker ends its part. */
  readonly worker?: "before" | "after";
}

function serve({ frontend, worker }: { frontend: Telemetry; worker: Telemetry }, story: Story) {
  const { requestId, durationMs, outcome = "success", headers = {} } = story;
  const ids = { xRequestId: requestId, requestId };
  const root = frontend.serverSpan("http_request", headers, ids, {
    startMs: START_MS,
    attributes: { "http.request.method": "POST", "http.route": "/v1/completions" },
  });
  const routing = root.child("decode_routing", { startMs: START_MS });
  const attempt = routing.child("route_request", {
    startMs: START_MS,
    attributes: { phase: "decode", worker_id: "w", attempt: 1 },
  });
  const payload = worker.serverSpan("handle_payload", attempt.headers(), ids, {
    startMs: START_MS,
    attributes: { component: "decode", endpoint: "generate", namespace: "n", instance_id: "w" },
  });
  payload.child("engine_queue", { startMs: START_MS }).end(START_MS + 1);
  const endWorker = () => {
    payload.set({ "request.outcome": "success" });
    payload.end(START_MS + durationMs);
  };
  if (story.worker !== "after") endWorker();
  attempt.set({ "request.outcome": "success" });
  for (const span of [attempt, routing] as ActiveSpan[]) span.end(START_MS + durationMs);
  root.set({ "request.outcome": outcome });
  root.end(START_MS + durationMs);
  if (story.worker === "after") endWorker();
  return root;
}

async function run(options: Options, stories: readonly Story[]) {
  await using sink = startOtlpSink();
  const processes = createProcesses(sink.tracesUrl, options);
  const { frontend, worker } = processes;
  const told: string[] = [];
  frontend.onKeep((requestId) => {
    told.push(requestId);
    worker.keep(requestId);
  });
  const roots = stories.map((story) => serve(processes, story));
  const held = [frontend.exporter.heldSpans, worker.exporter.heldSpans];
  await Promise.all([frontend, worker].map((each) => each.shutdown("test", 5_000)));
  const spans = sink.spans();
  const requests = new Set(spans.map(({ attributes }) => attributes.request_id).filter(Boolean));
  return { spans, told, held, roots, requests: [...requests].sort(), ...processes };
}

/** What is wrong with the trees, each of a trace of its own. */
function faults(spans: readonly SinkSpan[]): string[] {
  const traces = Map.groupBy(spans, ({ traceId }) => traceId);
  return [...traces.values()].flatMap((each) => traceFaults(each));
}

const RATIO_0: Options = { keep: KEEP, ratio: 0 };
const TREE = `\
http-request [frontend] SERVER
  decode_routing [frontend] INTERNAL
    router.route_request [frontend] PRODUCER
      handle_payload [worker] CONSUMER
        engine.queue [worker] INTERNAL`;

Deno.test("a slow request is exported whole from both processes, a fast one is not", async () => {
  const { spans, requests, told, held, roots } = await run(RATIO_0, [
    { requestId: "fast", durationMs: 999 },
    { requestId: "slow", durationMs: 1001 },
  ]);
  assertEquals(requests, ["slow"]);
  assertEquals(told, ["slow"]);
  assertEquals(renderTree(spans), TREE);
  assertEquals(faults(spans), []);
  assertEquals(held, [3, 2]);
  assertEquals(roots.map(({ isSampled }) => isSampled), [false, false]);
  assertEquals(roots.map(({ isExported }) => isExported), [false, true]);
  assertEquals(spans.find(({ name }) => name === "http-request")?.attributes["trace.kept"], "slow");
});

Deno.test("what is kept was passed on as unsampled and is exported as sampled", async () => {
  const bodies: string[] = [];
  await using server = Deno.serve({ port: 0, onListen: () => {} }, async (request) => {
    bodies.push(await request.text());
    return Response.json({});
  });
  const processes = createProcesses(`http://127.0.0.1:${server.addr.port}/v1/traces`, RATIO_0);
  processes.frontend.onKeep((requestId) => processes.worker.keep(requestId));
  const root = serve(processes, { requestId: "slow", durationMs: 2000 });
  assertEquals(root.headers().traceparent?.slice(-3), "-00");
  for (const each of [processes.frontend, processes.worker]) await each.shutdown("test", 5_000);
  const flags = bodies.join("").match(/"flags":\d+/g) ?? [];
  assertEquals(flags.length, 5);
  assert(flags.every((flag) => (Number(flag.slice(8)) & 1) === 1), flags.join());
});

Deno.test("a failed request is kept; one that was refused or that its client left is not", async () => {
  const { spans, requests } = await run(RATIO_0, [
    { requestId: "failed", durationMs: 1, outcome: "error" },
    { requestId: "refused", durationMs: 1, outcome: "rejected" },
    { requestId: "left", durationMs: 1, outcome: "cancelled" },
    { requestId: "left late", durationMs: 2000, outcome: "cancelled" },
  ]);
  assertEquals(requests, ["failed", "left late"]);
  assertEquals(faults(spans), []);
});

Deno.test("a request is kept whole whether its worker ends before or after the frontend", async () => {
  const { spans, requests } = await run(RATIO_0, [
    { requestId: "a", durationMs: 2000, worker: "before" },
    { requestId: "b", durationMs: 2000, worker: "after" },
    { requestId: "c", durationMs: 2, worker: "after" },
  ]);
  assertEquals(requests, ["a", "b"]);
  assertEquals(spans.length, 10);
  assertEquals(faults(spans), []);
});

Deno.test("a remote parent that is not sampled changes nothing", async () => {
  const headers = { traceparent: `00-${TRACE}-${CLIENT_SPAN}-00` };
  const { spans, requests } = await run({ keep: KEEP, ratio: 1 }, [
    { requestId: "fast", durationMs: 1, headers },
    { requestId: "slow", durationMs: 2000, headers },
  ]);
  assertEquals(requests, ["slow"]);
  assertEquals(traceFaults(spans, [CLIENT_SPAN]), []);
  assertEquals(new Set(spans.map(({ traceId }) => traceId)), new Set([TRACE]));
});

Deno.test("a sampled request is exported as before, and others are told when it was slow", async () => {
  const { spans, requests, told, frontend } = await run({ keep: KEEP, ratio: 1 }, [
    { requestId: "fast", durationMs: 1 },
    { requestId: "slow", durationMs: 2000 },
  ]);
  assertEquals(requests, ["fast", "slow"]);
  assertEquals(told, ["slow"]);
  assertEquals(frontend.exporter.keptSpans, 0);
  assertEquals(spans.filter(({ attributes }) => "trace.kept" in attributes), []);
});

Deno.test("without the option what is unsampled is not recorded, slow or not", async () => {
  const { spans, told, held } = await run({ keep: null, ratio: 0 }, [
    { requestId: "slow", durationMs: 2000 },
    { requestId: "failed", durationMs: 1, outcome: "error" },
  ]);
  assertEquals([spans.length, told, held], [0, [], [0, 0]]);
});

Deno.test("what nobody asked for is let go and counted, and so is what does not fit", async () => {
  const { frontend, worker, spans } = await run({ keep: { ...KEEP, maxBytes: 5000 }, ratio: 0 }, [
    { requestId: "a", durationMs: 1 },
    { requestId: "b", durationMs: 1 },
    { requestId: "slow", durationMs: 2000 },
  ]);
  assertEquals(faults(spans), []);
  for (const { exporter } of [frontend, worker]) {
    assertEquals([exporter.heldSpans, exporter.heldBytes], [0, 0]);
    const { keptSpans, expiredSpans, evictedSpans } = exporter;
    assertEquals(keptSpans + expiredSpans + evictedSpans, exporter === frontend.exporter ? 9 : 6);
    assert(evictedSpans > 0);
  }
});

Deno.test("a request that was let go where it is judged is kept nowhere, slow as it may be", async () => {
  const { spans, told, roots } = await run({ keep: { ...KEEP, maxBytes: 1 }, ratio: 0 }, [
    { requestId: "slow", durationMs: 2000 },
  ]);
  assertEquals([spans, told], [[], []]);
  assertEquals(roots.map(({ isExported }) => isExported), [false]);
});

Deno.test("a listener that throws fails no request, and its spans are kept here", async () => {
  await using sink = startOtlpSink();
  const { frontend, worker } = createProcesses(sink.tracesUrl, RATIO_0);
  frontend.onKeep(() => {
    throw new Error("the bus is draining");
  });
  serve({ frontend, worker }, { requestId: "slow", durationMs: 2000 });
  for (const each of [frontend, worker]) await each.shutdown("test", 5_000);
  assertEquals(sink.spans().map(({ service }) => service), Array(3).fill("frontend"));
});

Deno.test("spans of no request are not recorded unless they are sampled", async () => {
  await using sink = startOtlpSink();
  const { worker } = createProcesses(sink.tracesUrl, RATIO_0);
  worker.rootSpan("worker_start").end();
  worker.serverSpan("card_send", {}, null).end();
  assertEquals(worker.exporter.heldSpans, 0);
  await worker.shutdown("test", 5_000);
});

Deno.test("a request that a shutdown ends is kept as failed", async () => {
  await using sink = startOtlpSink();
  const { frontend } = createProcesses(sink.tracesUrl, RATIO_0);
  frontend.serverSpan("http_request", {}, { xRequestId: "x", requestId: "r" }).child("preprocess");
  await frontend.shutdown("SIGTERM", 5_000);
  assertEquals(sink.spans().map(({ name }) => name), ["preprocess", "http-request"]);
  assertEquals(traceFaults(sink.spans()), []);
});
