/** The instruments of `dynamo_frontend_*`: names, labels and buckets. */

import { Counter, Gauge, Histogram } from "prom-client";
import { COUNT_BUCKETS, type MetricsRegistry, SECONDS_BUCKETS } from "./registry.ts";

export const FRONTEND_PREFIX = "dynamo_frontend_";

export type FrontendInstruments = ReturnType<typeof createFrontendInstruments>;

export function createFrontendInstruments(registry: MetricsRegistry) {
  return {
    ...createRequestCounters(registry),
    ...createRequestGauges(registry),
    ...createHistograms(registry),
    eventLoopStalls: new Counter({
      name: `${FRONTEND_PREFIX}event_loop_stall_total`,
      help: "Times that the event loop was held up for 100 ms or more",
      registers: [registry],
    }),
  };
}

function createRequestCounters(registry: MetricsRegistry) {
  const registers = [registry];
  return {
    requests: new Counter({
      name: `${FRONTEND_PREFIX}requests_total`,
      help: "Requests that ended",
      labelNames: ["model", "endpoint", "request_type", "status", "error_type"],
      registers,
    }),
    started: new Counter({
      name: `${FRONTEND_PREFIX}requests_started_total`,
      help: "Requests that began",
      labelNames: ["model", "endpoint", "request_type"],
      registers,
    }),
    cancellations: new Counter({
      name: `${FRONTEND_PREFIX}model_cancellation_total`,
      help: "Requests whose client left",
      labelNames: ["model", "endpoint", "request_type"],
      registers,
    }),
    rejections: new Counter({
      name: `${FRONTEND_PREFIX}model_rejection_total`,
      help: "Requests refused with 503: nothing free, no worker, shutting down",
      labelNames: ["model", "endpoint"],
      registers,
    }),
    migrations: new Counter({
      name: `${FRONTEND_PREFIX}model_migration_total`,
      help: "Moves to another attempt: before the first token (new_request), after it",
      labelNames: ["model", "migration_type"],
      registers,
    }),
    traceContexts: new Counter({
      name: `${FRONTEND_PREFIX}trace_context_total`,
      help:
        "Requests by what came of their client's trace: continued, ignored (not valid, or not in " +
        "OTEL_PROPAGATORS), absent",
      labelNames: ["context"],
      registers,
    }),
    outputTokensTotal: new Counter({
      name: `${FRONTEND_PREFIX}output_tokens_total`,
      help: "Tokens generated",
      labelNames: ["model"],
      registers,
    }),
  };
}

function createRequestGauges(registry: MetricsRegistry) {
  const registers = [registry];
  return {
    active: new Gauge({
      name: `${FRONTEND_PREFIX}active_requests`,
      help: "Requests that have not ended",
      labelNames: ["model"],
      registers,
    }),
    inflight: new Gauge({
      name: `${FRONTEND_PREFIX}inflight_requests`,
      help: "The older name of active_requests",
      labelNames: ["model"],
      registers,
    }),
    disconnected: new Gauge({
      name: `${FRONTEND_PREFIX}disconnected_clients`,
      help: "Clients that left before their answer was complete, since the start",
      registers,
    }),
  };
}

function createHistograms(registry: MetricsRegistry) {
  const labelNames = ["model"] as const;
  const ofModel = { enableExemplars: true as const, registers: [registry], labelNames };
  const seconds = { ...ofModel, buckets: [...SECONDS_BUCKETS] };
  const counts = { ...ofModel, buckets: [...COUNT_BUCKETS] };
  return {
    duration: new Histogram({
      ...seconds,
      name: `${FRONTEND_PREFIX}request_duration_seconds`,
      help: "Arrival to the last byte",
    }),
    ttft: new Histogram({
      ...seconds,
      name: `${FRONTEND_PREFIX}time_to_first_token_seconds`,
      help: "Arrival to the first token's write",
    }),
    itl: new Histogram({
      ...seconds,
      name: `${FRONTEND_PREFIX}inter_token_latency_seconds`,
      help: "Time between two tokens; the exemplar is of a request's largest gap",
    }),
    stages: new Histogram({
      ...seconds,
      labelNames: ["stage"] as const,
      name: `${FRONTEND_PREFIX}stage_duration_seconds`,
      help: "Time of a request in one stage",
    }),
    template: new Histogram({
      ...seconds,
      name: `${FRONTEND_PREFIX}template_seconds`,
      help: "Rendering the chat template",
    }),
    tokenize: new Histogram({
      ...seconds,
      name: `${FRONTEND_PREFIX}tokenize_seconds`,
      help: "Text to token ids",
    }),
    inputTokens: new Histogram({
      ...counts,
      name: `${FRONTEND_PREFIX}input_sequence_tokens`,
      help: "Tokens of the prompt",
    }),
    outputTokens: new Histogram({
      ...counts,
      name: `${FRONTEND_PREFIX}output_sequence_tokens`,
      help: "Tokens of the answer",
    }),
    cachedTokens: new Histogram({
      ...counts,
      name: `${FRONTEND_PREFIX}cached_tokens`,
      help: "Prompt tokens that came from a prefix cache",
    }),
    eventLoopDelay: new Histogram({
      registers: [registry],
      buckets: [...SECONDS_BUCKETS],
      name: `${FRONTEND_PREFIX}event_loop_delay_seconds`,
      help: "How late a timer fired: time for which the process answered nobody",
    }),
  };
}
