import { assert, assertEquals, assertExists } from "@std/assert/mod.js";
import { ExportStats } from "../emit/export_stats.ts";
import { SPANS } from "../registry/mod.ts";
import { createFrontendMetrics, createWorkerMetrics, type WorkerMetrics } from "./mod.ts";

const LABELS = { namespace: "dynamo", component: "decode", endpoint: "generate", workerId: "w-1" };
const OWN = 'dynamo_namespace="dynamo",dynamo_component="decode",dynamo_endpoint="generate",' +
  'worker_id="w-1"';

/** The sample with this name, the worker's own labels and these. */
async function value(metrics: WorkerMetrics, name: string, labels = ""): Promise<number> {
  const { body } = await metrics.render("");
  const line = body.split("\n").find((line) =>
    line.startsWith(`${name}{`) && line.includes(OWN) && line.includes(labels)
  );
  assertExists(line, `${name} ${labels} is not in\n${body}`);
  return Number(line!.slice(line!.lastIndexOf(" ")));
}

Deno.test("requestStarted counts a request and ends it once", async () => {
  const metrics = createWorkerMetrics(LABELS);
  const meter = metrics.requestStarted();
  assertEquals(await value(metrics, "dynamo_component_inflight_requests"), 1);
  meter.end("success");
  meter.end("engine_failed");
  assertEquals(await value(metrics, "dynamo_component_inflight_requests"), 0);
  assertEquals(await value(metrics, "dynamo_component_requests_total"), 1);
  assertEquals(await value(metrics, "dynamo_component_request_duration_seconds_count"), 1);
});

Deno.test("requestStarted tells errors by code and cancellations apart", async () => {
  const metrics = createWorkerMetrics(LABELS);
  for (const outcome of ["overloaded", "overloaded", "cancelled", 'not a "code"']) {
    metrics.requestStarted().end(outcome);
  }
  const errors = "dynamo_component_errors_total";
  assertEquals(await value(metrics, errors, 'error_type="overloaded"'), 2);
  assertEquals(await value(metrics, errors, 'error_type="other"'), 1);
  assertEquals(await value(metrics, "dynamo_component_cancellation_total"), 1);
  assertEquals(await value(metrics, "dynamo_work_handler_enqueue_rejected_total"), 2);
});

Deno.test("kvTransferred adds bytes and seconds by direction", async () => {
  const metrics = createWorkerMetrics(LABELS);
  metrics.kvTransferred({ direction: "received", bytes: 1000, durationMs: 20 });
  metrics.kvTransferred({ direction: "received", bytes: 500, durationMs: 30 });
  const direction = 'direction="received"';
  assertEquals(await value(metrics, "dynamo_component_kv_transfer_bytes_total", direction), 1500);
  assertEquals(await value(metrics, "dynamo_component_kv_transfer_seconds_sum", direction), 0.05);
});

Deno.test("prompted tells what share of the prompts came from the cache", async () => {
  const metrics = createWorkerMetrics(LABELS);
  assertEquals(await value(metrics, "dynamo_component_kv_cache_hit_rate"), 0);
  metrics.requestStarted().prompted({ tokens: 100, cachedTokens: 0 });
  metrics.requestStarted().prompted({ tokens: 300, cachedTokens: 200 });
  assertEquals(await value(metrics, "dynamo_component_kv_cache_hit_rate"), 0.5);
  assert(await value(metrics, "dynamo_component_uptime_seconds") > 0);
});

Deno.test("stepDone measures the step and the rows of each kind that it had", async () => {
  const metrics = createWorkerMetrics(LABELS);
  metrics.stepDone({ startMs: 10, endMs: 30, prefillRows: 0, decodeRows: 4 }, {});
  metrics.stepDone({ startMs: 30, endMs: 60, prefillRows: 128, decodeRows: 4 }, {});
  const rows = "dynamo_component_engine_step_rows_count";
  assertEquals(await value(metrics, rows, 'kind="decode"'), 2);
  assertEquals(await value(metrics, rows, 'kind="prefill"'), 1);
  assertEquals(await value(metrics, "dynamo_component_engine_step_seconds_sum"), 0.05);
});

Deno.test("stepDone shares a step's device time out over its rows, with the backend's name", async () => {
  const metrics = createWorkerMetrics(LABELS);
  metrics.engineOpened({ backend: "webgpu", adapter: "GPU 1", model: "m", loadMs: 1500 });
  metrics.stepDone({ startMs: 0, endMs: 30, deviceMs: 20, prefillRows: 12, decodeRows: 4 }, {});
  metrics.stepDone({ startMs: 30, endMs: 40, prefillRows: 0, decodeRows: 4 }, {});
  const seconds = "dynamo_component_engine_compute_seconds_total";
  assertEquals(await value(metrics, seconds, 'backend="webgpu",kind="prefill"'), 0.015);
  assertEquals(await value(metrics, seconds, 'backend="webgpu",kind="decode"'), 0.015);
  const info = 'backend="webgpu",adapter="GPU 1",model="m"';
  assertEquals(await value(metrics, "dynamo_component_engine_info", info), 1);
  assertEquals(await value(metrics, "dynamo_component_model_load_time_seconds"), 1.5);
});

Deno.test("observe shows the load as it is at the scrape", async () => {
  const metrics = createWorkerMetrics(LABELS);
  const load = {
    runningSequences: 2,
    waitingSequences: 1,
    pendingPromptTokens: 77,
    usedBlocks: 5,
    totalBlocks: 64,
  };
  const exporter = Object.assign(new ExportStats(), { droppedSpans: 3 });
  assertEquals(await value(metrics, "dynamo_component_used_blocks"), 0);
  metrics.observe(() => ({ load, queueLimit: 9, stepRunningMs: 1500, exporter }));
  load.usedBlocks = 16;
  assertEquals(await value(metrics, "dynamo_component_used_blocks"), 16);
  assertEquals(await value(metrics, "dynamo_component_gpu_cache_usage_percent"), 0.25);
  assertEquals(await value(metrics, "dynamo_work_handler_queue_capacity"), 9);
  assertEquals(await value(metrics, "dynamo_component_total_blocks"), 64);
  assertEquals(await value(metrics, "dynamo_work_handler_queue_depth"), 1);
  assertEquals(await value(metrics, "dynamo_component_engine_step_running_seconds"), 1.5);
  assertEquals(await value(metrics, "dynamo_telemetry_dropped_spans_total"), 3);
});

Deno.test("each histogram that requests feed has the trace of an exported one as its exemplar", async () => {
  const metrics = createWorkerMetrics(LABELS);
  const meter = metrics.requestStarted();
  meter.firstToken("f".repeat(32));
  meter.end("success", "a".repeat(32));
  metrics.requestStarted().end("success");
  metrics.kvTransferred({ direction: "sent", bytes: 1, durationMs: 20, traceId: "b".repeat(32) });
  const step = { startMs: 0, endMs: 30, prefillRows: 128, decodeRows: 4 };
  metrics.stepDone(step, { prefill: "c".repeat(32), decode: "d".repeat(32) });
  metrics.stepDone({ ...step, prefillRows: 0, endMs: 1000 }, { decode: "e".repeat(32) });
  const { body } = await metrics.render("application/openmetrics-text");
  const exemplars = body.split("\n").flatMap((line) => {
    const [, name, letter] = /^([a-z_]+)_bucket\{.* # \{trace_id="(.)\2{31}"\} /.exec(line) ?? [];
    return name === undefined ? [] : [`${name} ${letter}`];
  });
  assertEquals(exemplars.toSorted(), [
    "dynamo_component_engine_step_rows c",
    "dynamo_component_engine_step_rows e",
    "dynamo_component_engine_step_seconds c",
    "dynamo_component_engine_step_seconds e",
    "dynamo_component_kv_transfer_seconds b",
    "dynamo_component_request_duration_seconds a",
    "dynamo_work_handler_time_to_first_response_seconds f",
  ]);
  assertEquals((await metrics.render("")).body.includes("trace_id"), false);
});

Deno.test("each histogram that the span registry names is there", () => {
  const histograms = [createWorkerMetrics(LABELS), createFrontendMetrics()]
    .flatMap((metrics) => metrics.describe())
    .filter(({ type }) => type === "histogram").map(({ name }) => name);
  for (const { name, histogram } of Object.values(SPANS)) {
    if (histogram === undefined) continue;
    assert(histograms.includes(histogram), `${name} feeds ${histogram}, which is not there`);
  }
});
