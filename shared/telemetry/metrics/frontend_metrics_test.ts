import { assert, assertEquals } from "@std/assert/mod.js";
import { createFrontendMetrics, type FrontendMetrics, type RequestLabels } from "./mod.ts";

const LABELS: RequestLabels = { model: "m", endpoint: "chat_completions", requestType: "stream" };

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
  meter.queued();
  const during = await samples(metrics);
  assertEquals(during.get('dynamo_frontend_inflight_requests{model="m"}'), 1);
  assertEquals(during.get('dynamo_frontend_queued_requests{model="m"}'), 1);
  meter.end({ errorType: "", durationMs: 250, inputTokens: 12, outputTokens: 3 });
  meter.end({ errorType: "internal", durationMs: 1 });
  const after = await samples(metrics);
  assertEquals(after.get('dynamo_frontend_inflight_requests{model="m"}'), 0);
  assertEquals(after.get('dynamo_frontend_queued_requests{model="m"}'), 0);
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
    .end({ errorType: "not_found", durationMs: 1 });
  const names = [...(await samples(metrics)).keys()];
  assert(
    names.some((name) => name.includes('model="unknown_model"') && name.includes("not_found")),
  );
  assert(!names.some((name) => name.includes("no such") || name.includes("no\\nsuch")));
});

Deno.test("firstToken and nextToken measure latencies that differ below two seconds", async () => {
  const metrics = createMetrics();
  const meter = metrics.requestStarted(LABELS);
  meter.firstToken(3);
  meter.nextToken(1.5);
  meter.nextToken(40);
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
  const exporter = { exportedSpans: 5, droppedSpans: 0, failedBatches: 1, queuedSpans: 7 };
  metrics.observe(() => ({ exporter }));
  await metrics.render("");
  exporter.exportedSpans = 9;
  const page = await samples(metrics);
  assertEquals(page.get("dynamo_telemetry_exported_spans_total"), 9);
  assertEquals(page.get("dynamo_telemetry_failed_batches_total"), 1);
  assertEquals(page.get("dynamo_telemetry_queued_spans"), 7);
});

Deno.test("clientDisconnected counts", async () => {
  const metrics = createMetrics();
  metrics.clientDisconnected();
  metrics.clientDisconnected();
  assertEquals((await samples(metrics)).get("dynamo_frontend_disconnected_clients"), 2);
});
