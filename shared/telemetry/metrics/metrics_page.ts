/** Prints `docs/observability/metrics.md` from the registries, so that the page cannot drift from the code. */

import { createFrontendMetrics } from "./frontend_metrics.ts";
import { COUNT_BUCKETS, type MetricDescription, SECONDS_BUCKETS } from "./registry.ts";
import { createTracesMetrics } from "./traces_metrics.ts";
import { createWorkerMetrics } from "./worker_metrics.ts";

/** Metrics that Dynamo has under the same name, and how ours differs where it does. */
const DYNAMO: Readonly<Record<string, string>> = {
  dynamo_frontend_active_requests: "",
  dynamo_frontend_cached_tokens: "",
  dynamo_frontend_disconnected_clients: "",
  dynamo_frontend_event_loop_delay_seconds: "",
  dynamo_frontend_event_loop_stall_total: "",
  dynamo_frontend_inflight_requests: "",
  dynamo_frontend_input_sequence_tokens: "",
  dynamo_frontend_inter_token_latency_seconds: "",
  dynamo_frontend_model_cancellation_total: "",
  dynamo_frontend_model_context_length: "",
  dynamo_frontend_model_kv_cache_block_size: "",
  dynamo_frontend_model_max_num_batched_tokens: "",
  dynamo_frontend_model_max_num_seqs: "",
  dynamo_frontend_model_migration_limit: "",
  dynamo_frontend_model_migration_total: "without `outcome`",
  dynamo_frontend_model_rejection_total: "",
  dynamo_frontend_model_total_kv_blocks: "",
  dynamo_frontend_output_sequence_tokens: "",
  dynamo_frontend_output_tokens_total: "",
  dynamo_frontend_request_duration_seconds: "",
  dynamo_frontend_requests_started_total: "",
  dynamo_frontend_requests_total: "",
  dynamo_frontend_stage_duration_seconds: "own stages after `dispatch`",
  dynamo_frontend_stage_requests: "own stages after `dispatch`",
  dynamo_frontend_template_seconds: "",
  dynamo_frontend_time_to_first_token_seconds: "",
  dynamo_frontend_tokenize_seconds: "",
  dynamo_frontend_worker_active_decode_blocks: "",
  dynamo_frontend_worker_active_prefill_tokens: "",
  dynamo_frontend_worker_last_input_sequence_tokens: "",
  dynamo_frontend_worker_last_inter_token_latency_seconds: "",
  dynamo_frontend_worker_last_time_to_first_token_seconds: "",
  dynamo_component_cancellation_total: "",
  dynamo_component_errors_total: "own values of `error_type`",
  dynamo_component_inflight_requests: "",
  dynamo_component_request_duration_seconds: "",
  dynamo_component_requests_total: "",
  dynamo_component_total_blocks: "",
  dynamo_component_gpu_cache_usage_percent: "",
  dynamo_component_kv_cache_hit_rate: "",
  dynamo_component_model_load_time_seconds: "",
  dynamo_component_uptime_seconds: "",
  dynamo_work_handler_enqueue_rejected_total: "",
  dynamo_work_handler_queue_capacity: "",
  dynamo_work_handler_queue_depth: "",
  dynamo_work_handler_time_to_first_response_seconds: "",
};

const UNITS = [
  ["seconds", "s"],
  ["bytes", "bytes"],
  ["tokens", "tokens"],
  ["blocks", "blocks"],
  ["rows", "rows"],
  ["sequences", "sequences"],
  ["requests", "requests"],
  ["spans", "spans"],
  ["block_size", "tokens"],
  ["context_length", "tokens"],
  ["percent", "0 to 1"],
] as const;

const HEAD = `# Metrics

Every metric of the frontend, the workers and the traces service, printed from the registries in
\`shared/telemetry/metrics/\`
(\`deno run -A shared/telemetry/metrics/print_metrics.ts > docs/observability/metrics.md\`). Names and
labels are Dynamo's where Dynamo has the number; the last column says so.

- **Where.** \`/metrics\` of the frontend (port 8000), of each worker's status server (9091 and up) and
  of the traces service (3200, unless it shows a Tempo's traces and keeps none).
- **Formats.** Classic Prometheus text; OpenMetrics for a scraper that sends
  \`Accept: application/openmetrics-text\`, as Prometheus does with \`--enable-feature=exemplar-storage\`.
- **Exemplars.** In OpenMetrics every histogram that requests feed carries the \`trace_id\` of one whose
  trace is exported: from a slow bucket to the trace that explains it. On a worker's step histograms it
  is a request that was in the step. A request that was not sampled and is kept for its end
  (\`DYN_TRACE_KEEP_SLOWER_THAN\`) is an exemplar of the frontend only: it alone knows in time.
- **Labels are bounded.** \`model\` is a model that is served, or \`unknown_model\` whatever a client asks
  for; \`worker_id\` a worker that lives; \`endpoint\`, \`request_type\`, \`status\`, \`error_type\`, \`stage\`,
  \`phase\`, \`query\` and \`reason\` come from closed lists.
- **Buckets.** Seconds: ${SECONDS_BUCKETS.join(", ")}. Tokens and rows: powers of two, to
  ${COUNT_BUCKETS.at(-1)}.
`;

/** The page as Markdown. Throws when the list of Dynamo's names has one that is not here any more. */
export function metricsPage(): string {
  const frontend = createFrontendMetrics().describe();
  const worker = createWorkerMetrics({ namespace: "", component: "", endpoint: "", workerId: "" })
    .describe();
  const traces = createTracesMetrics({
    readStore: () => Promise.reject(new Error("There is no store")),
    inflightBytes: () => 0,
  }).describe();
  const names = new Set([...frontend, ...worker].map(({ name }) => name));
  const gone = Object.keys(DYNAMO).filter((name) => !names.has(name));
  if (gone.length > 0) throw new TypeError(`Cannot print the metrics: ${gone} are not there`);
  const always = ["dynamo_namespace", "dynamo_component", "dynamo_endpoint", "worker_id"]
    .map((label) => `\`${label}\``).join(", ");
  return [
    HEAD,
    `## Frontend\n\n${table(frontend)}`,
    `## Worker\n\nEach also with the labels ${always}.\n\n${table(worker)}`,
    `## Traces\n\n${table(traces)}`,
  ].join("\n");
}

function table(metrics: readonly MetricDescription[]): string {
  const rows = metrics.toSorted((a, b) => a.name < b.name ? -1 : 1).map((metric) => [
    `\`${metric.name}\``,
    metric.type,
    metric.labels.map((label) => `\`${label}\``).join(", "),
    unitOf(metric.name),
    metric.help,
    dynamoOf(metric.name),
  ]);
  const head = ["name", "type", "labels", "unit", "meaning", "Dynamo's"];
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |\n`).join(
    "",
  );
}

function unitOf(name: string): string {
  const base = name.replace(/_total$/, "");
  return UNITS.find(([end]) => base.endsWith(end))?.[1] ?? "";
}

function dynamoOf(name: string): string {
  const difference = DYNAMO[name];
  if (difference === undefined) return "Baton's own";
  return difference === "" ? "same" : `same; ${difference}`;
}
