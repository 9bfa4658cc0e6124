/** The instruments of `dynamo_component_*` and `dynamo_work_handler_*` that are counted as things happen. */

import { Counter, Gauge, Histogram } from "prom-client";
import { COUNT_BUCKETS, type MetricsRegistry, SECONDS_BUCKETS } from "./registry.ts";

export const COMPONENT_PREFIX = "dynamo_component_";
export const WORK_HANDLER_PREFIX = "dynamo_work_handler_";

export type WorkerInstruments = ReturnType<typeof createWorkerInstruments>;

/** The instruments of a worker: names, labels and buckets. */
export function createWorkerInstruments(registry: MetricsRegistry) {
  const registers = [registry];
  const traced = { enableExemplars: true as const, registers };
  const seconds = { ...traced, buckets: [...SECONDS_BUCKETS] };
  return {
    requests: new Counter({
      name: `${COMPONENT_PREFIX}requests_total`,
      help: "Requests that arrived",
      registers,
    }),
    errors: new Counter({
      name: `${COMPONENT_PREFIX}errors_total`,
      help: "Requests that ended with an error",
      labelNames: ["error_type"],
      registers,
    }),
    cancellations: new Counter({
      name: `${COMPONENT_PREFIX}cancellation_total`,
      help: "Requests that their caller cancelled",
      registers,
    }),
    inflight: new Gauge({
      name: `${COMPONENT_PREFIX}inflight_requests`,
      help: "Requests that have not ended",
      registers,
    }),
    duration: new Histogram({
      ...seconds,
      name: `${COMPONENT_PREFIX}request_duration_seconds`,
      help: "Arrival to the last frame",
    }),
    rejections: new Counter({
      name: `${WORK_HANDLER_PREFIX}enqueue_rejected_total`,
      help: "Requests refused because the queue was full",
      registers,
    }),
    firstResponse: new Histogram({
      ...seconds,
      name: `${WORK_HANDLER_PREFIX}time_to_first_response_seconds`,
      help: "Arrival to the first token that the worker sent",
    }),
    kvBytes: new Counter({
      name: `${COMPONENT_PREFIX}kv_transfer_bytes_total`,
      help: "KV bytes moved",
      labelNames: ["direction"],
      registers,
    }),
    kvSeconds: new Histogram({
      ...seconds,
      name: `${COMPONENT_PREFIX}kv_transfer_seconds`,
      help: "Time of one prompt's KV transfer",
      labelNames: ["direction"] as const,
    }),
    stepSeconds: new Histogram({
      ...seconds,
      name: `${COMPONENT_PREFIX}engine_step_seconds`,
      help: "Time of one engine step",
    }),
    engineInfo: new Gauge({
      name: `${COMPONENT_PREFIX}engine_info`,
      help: "1: what the worker computes on, and its model",
      labelNames: ["backend", "adapter", "model"],
      registers,
    }),
    loadSeconds: new Gauge({
      name: `${COMPONENT_PREFIX}model_load_time_seconds`,
      help: "Time that opening the device and loading the model took",
      registers,
    }),
    computeSeconds: new Counter({
      name: `${COMPONENT_PREFIX}engine_compute_seconds_total`,
      help: "Time of the device, or of steps where the device tells none, by kind of rows",
      labelNames: ["backend", "kind"],
      registers,
    }),
    stepRows: new Histogram({
      ...traced,
      name: `${COMPONENT_PREFIX}engine_step_rows`,
      help: "Rows of one kind in an engine step that has any",
      labelNames: ["kind"] as const,
      buckets: [...COUNT_BUCKETS],
    }),
  };
}
