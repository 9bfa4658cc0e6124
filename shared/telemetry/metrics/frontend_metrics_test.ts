import { assert, assertEquals } from "@std/assert/mod.js";
import { ExportStats } from "../emit/export_stats.ts";
import {
  createFrontendMetrics,
  type FleetWorker,
  type FrontendMetrics,
  type RequestEnd,
  type RequestLabels,
  watchEventLoop,
} from "./mod.ts";

const LABELS: RequestLabels = { model: "m", endpoint: "chat_completions", requestType: "stream" };

const END: RequestEnd = { errorType: "", isRejected: false, durationMs: 1, stagesMs: new Map() };

/** Samples of the page by their line without the value. */
async function samples(metrics: FrontendMetrics, accept = ""): Promise<Map<string, number>> {
  const { body } = await metrics.render(accept);
  return new Map(
    body.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
      const [, name = "", value] = /^(\S+?(?:\{[^}]*\})?) (\S+)/.exec(line) ?? [];
      return [name, Number(value)];
    }),
  );
}

function createMetrics(): FrontendMetrics {
  const metrics = createFrontendMetrics();
  metrics.setModels(["m"]);
  return metrics;
}

Deno.test("requestStarted counts a request from its start to its end, once", async () => {
  const metrics = createMetrics();
  const meter = metrics.requestStarted(LABELS);
  const during = await samples(metrics);
  assertEquals(during.get('dynamo_frontend_inflight_requests{model="m"}'), 1);
  assertEquals(during.get('dynamo_frontend_active_requests{model="m"}'), 1);
  meter.end({ ...END, durationMs: 250, inputTokens: 12, outputTokens: 3 });
  meter.end({ ...END, errorType: "internal" });
  const after = await samples(metrics);
  assertEquals(after.get('dynamo_frontend_inflight_requests{model="m"}'), 0);
  assertEquals(after.get('dynamo_frontend_active_requests{model="m"}'), 0);
  assertEquals(
    after.get(
      'dynamo_frontend_requests_total{model="m",endpoint="chat_completions",request_type="stream",' +
        'status="success",error_type=""}',
    ),
    1,
  );
  assertEquals(after.get('dynamo_frontend_request_duration_seconds_sum{model="m"}'), 0.25);
  assertEquals(after.get('dynamo_frontend_input_sequence_tokens_sum{model="m"}'), 12);
  assertEquals(after.get('dynamo_frontend_output_sequence_tokens_sum{model="m"}'), 3);
  assertEquals([...after.keys()].some((name) => name.includes("internal")), false);
});

Deno.test("requestStarted labels a model that is not served as unknown_model", async () => {
  const metrics = createMetrics();
  metrics.requestStarted({ ...LABELS, model: "no\nsuch model" })
    .end({ ...END, errorType: "not_found" });
  const names = [...(await samples(metrics)).keys()];
  assert(
    names.some((name) => name.includes('model="unknown_model"') && name.includes("not_found")),
  );
  assert(!names.some((name) => name.includes("no such") || name.includes("no\\nsuch")));
});

Deno.test("firstToken and nextTokens measure latencies that differ below two seconds", async () => {
  const metrics = createMetrics();
  const meter = metrics.requestStarted(LABELS);
  meter.firstToken(3);
  meter.nextTokens(1, 40);
  meter.nextTokens(1, 1.5);
  meter.end(END);
  const page = await samples(metrics);
  const bucket = (name: string, le: string) =>
    page.get(`dynamo_frontend_${name}_seconds_bucket{le="${le}",model="m"}`);
  assertEquals(
    [bucket("time_to_first_token", "0.002"), bucket("time_to_first_token", "0.005")],
    [0, 1],
  );
  assertEquals(
    ["0.001", "0.002", "0.02", "0.05"].map((le) => bucket("inter_token_latency", le)),
    [0, 1, 1, 2],
  );
  assertEquals(page.get('dynamo_frontend_output_tokens_total{model="m"}'), 3);
});

Deno.test("render gives exemplars in OpenMetrics, and none in the classic format", async () => {
  const metrics = createMetrics();
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  metrics.requestStarted(LABELS).firstToken(3, traceId);
  const open = await metrics.render("application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
  assert(open.contentType.startsWith("application/openmetrics-text"));
  assert(open.body.includes(`# {trace_id="${traceId}"} 0.003`));
  assert(open.body.endsWith("# EOF\n"));
  const classic = await metrics.render("*/*");
  assert(classic.contentType.startsWith("text/plain"));
  assert(!classic.body.includes(traceId));
  assert(classic.body.includes("# TYPE dynamo_frontend_output_tokens_total counter"));
});

Deno.test("observe shows the exporter's health as it is at the scrape", async () => {
  const metrics = createMetrics();
  const exporter = new ExportStats();
  Object.assign(exporter, { exportedSpans: 5, failedBatches: 1, retriedSpans: 4, queuedSpans: 7 });
  Object.assign(exporter, { heldSpans: 2, heldBytes: 900, keptSpans: 3, expiredSpans: 6 });
  metrics.observe(() => ({ exporter, fleet: { workers: [], migrationLimit: 0 } }));
  await metrics.render("");
  exporter.exportedSpans = 9;
  const page = await samples(metrics);
  assertEquals(page.get("dynamo_telemetry_exported_spans_total"), 9);
  assertEquals(page.get("dynamo_telemetry_failed_batches_total"), 1);
  assertEquals(page.get("dynamo_telemetry_retried_spans_total"), 4);
  assertEquals(page.get("dynamo_telemetry_queued_spans"), 7);
  assertEquals(page.get("dynamo_telemetry_held_spans"), 2);
  assertEquals(page.get("dynamo_telemetry_held_bytes"), 900);
  assertEquals(page.get("dynamo_telemetry_kept_spans_total"), 3);
  assertEquals(page.get("dynamo_telemetry_expired_spans_total"), 6);
  assertEquals(page.get("dynamo_telemetry_evicted_spans_total"), 0);
});

Deno.test("clientDisconnected counts", async () => {
  const metrics = createMetrics();
  metrics.clientDisconnected();
  metrics.clientDisconnected();
  assertEquals((await samples(metrics)).get("dynamo_frontend_disconnected_clients"), 2);
});

Deno.test("nextTokens counts each gap once; the largest one carries the trace", async () => {
  const metrics = createMetrics();
  const meter = metrics.requestStarted(LABELS);
  meter.nextTokens(2, 3);
  meter.nextTokens(1, 700);
  meter.nextTokens(3, 4);
  meter.nextTokens(0, 0);
  const count = 'dynamo_frontend_inter_token_latency_seconds_count{model="m"}';
  assertEquals((await samples(metrics)).get(count), 5);
  meter.end({ ...END, traceId: "a".repeat(32) });
  const page = await samples(metrics);
  assertEquals(page.get(count), 6);
  assertEquals(page.get('dynamo_frontend_output_tokens_total{model="m"}'), 6);
  const bucket = (le: string) =>
    page.get(`dynamo_frontend_inter_token_latency_seconds_bucket{le="${le}",model="m"}`);
  assertEquals([bucket("0.002"), bucket("0.005"), bucket("1")], [0, 5, 6]);
  const { body } = await metrics.render("application/openmetrics-text");
  const exemplars = body.split("\n").filter((line) =>
    line.startsWith("dynamo_frontend_inter_token_latency") && line.includes("trace_id")
  );
  assertEquals(exemplars.map((line) => /le="([^"]+)"/.exec(line)?.[1]), ["1"]);
});

Deno.test("end counts who left and who was refused, and the time of each stage", async () => {
  const metrics = createMetrics();
  metrics.requestStarted(LABELS).end({ ...END, errorType: "cancelled" });
  metrics.requestStarted(LABELS).end({ ...END, errorType: "overload", isRejected: true });
  const stagesMs = new Map([["queue", 20], ["prefill", 300]] as const);
  metrics.requestStarted(LABELS).end({ ...END, stagesMs });
  const page = await samples(metrics);
  const of = (name: string, labels: string) => page.get(`dynamo_frontend_${name}{${labels}}`);
  const labels = 'model="m",endpoint="chat_completions"';
  assertEquals(of("model_cancellation_total", `${labels},request_type="stream"`), 1);
  assertEquals(of("model_rejection_total", labels), 1);
  assertEquals(of("stage_duration_seconds_sum", 'stage="queue"'), 0.02);
  assertEquals(of("stage_duration_seconds_sum", 'stage="prefill"'), 0.3);
});

Deno.test("migrated tells requests that had text from those that had none", async () => {
  const metrics = createMetrics();
  const meter = metrics.requestStarted(LABELS);
  meter.migrated(false);
  meter.migrated(true);
  meter.migrated(true);
  const page = await samples(metrics);
  const name = 'dynamo_frontend_model_migration_total{model="m",migration_type=';
  assertEquals([page.get(`${name}"new_request"}`), page.get(`${name}"ongoing_request"}`)], [1, 2]);
});

Deno.test("stagePlace counts a request in one stage at a time", async () => {
  const metrics = createMetrics();
  const [first, second] = [metrics.stagePlace(), metrics.stagePlace()];
  first.enter("preprocess", "");
  second.enter("preprocess", "");
  second.enter("queue", "prefill");
  const gauge = (stage: string, phase: string) =>
    `dynamo_frontend_stage_requests{stage="${stage}",phase="${phase}"}`;
  const during = await samples(metrics);
  assertEquals(during.get(gauge("preprocess", "")), 1);
  assertEquals(during.get(gauge("queue", "prefill")), 1);
  first.leave();
  second.leave();
  second.leave();
  const after = await samples(metrics);
  assertEquals(after.get(gauge("preprocess", "")), 0);
  assertEquals(after.get(gauge("queue", "prefill")), 0);
});

Deno.test("observe shows workers and models that live, and none that has gone", async () => {
  const metrics = createMetrics();
  const worker: FleetWorker = {
    workerId: "d1",
    workerType: "decode",
    model: "m",
    activeBlocks: 5,
    activePrefillTokens: 70,
    totalBlocks: 64,
    blockTokens: 16,
    contextLength: 2048,
    maxSequences: 16,
    maxBatchTokens: 256,
  };
  let workers = [worker, { ...worker, workerId: "d2", totalBlocks: 9 }];
  const exporter = new ExportStats();
  metrics.observe(() => ({ exporter, fleet: { workers, migrationLimit: 2 } }));
  metrics.workerServed("d1", { ttftMs: 30, inputTokens: 12 });
  metrics.workerServed("d1", { itlMs: 4 });
  metrics.workerServed("gone", { ttftMs: 1 });
  const page = await samples(metrics);
  const of = (name: string, id: string) =>
    page.get(`dynamo_frontend_worker_${name}{worker_id="${id}",dp_rank="0",worker_type="decode"}`);
  assertEquals([of("active_decode_blocks", "d1"), of("active_prefill_tokens", "d1")], [5, 70]);
  assertEquals(of("last_time_to_first_token_seconds", "d1"), 0.03);
  assertEquals(of("last_inter_token_latency_seconds", "d1"), 0.004);
  assertEquals(of("last_time_to_first_token_seconds", "d2"), undefined);
  assertEquals(page.get('dynamo_frontend_model_total_kv_blocks{model="m"}'), 64);
  assertEquals(page.get('dynamo_frontend_model_context_length{model="m"}'), 2048);
  assertEquals(page.get('dynamo_frontend_model_max_num_seqs{model="m"}'), 16);
  assertEquals(page.get('dynamo_frontend_model_max_num_batched_tokens{model="m"}'), 256);
  assertEquals(page.get('dynamo_frontend_model_migration_limit{model="m"}'), 2);
  workers = [];
  const names = [...(await samples(metrics)).keys()];
  assertEquals(names.filter((name) => name.includes("worker_id")), []);
});

Deno.test("eventLoopDelayed tells a stall from a late timer", async () => {
  const metrics = createMetrics();
  metrics.eventLoopDelayed(2);
  metrics.eventLoopDelayed(150);
  const page = await samples(metrics);
  assertEquals(page.get("dynamo_frontend_event_loop_delay_seconds_count"), 2);
  assertEquals(page.get("dynamo_frontend_event_loop_stall_total"), 1);
});

Deno.test("watchEventLoop tells how long the thread was held up", async () => {
  const delay = Promise.withResolvers<number>();
  using _watch = watchEventLoop((delayMs) => delayMs > 30 && delay.resolve(delayMs));
  const untilMs = performance.now() + 200;
  while (performance.now() < untilMs) { /* Hold up the loop. */ }
  assert(await delay.promise > 30);
});
