/** A worker's metrics: `dynamo_component_*` and `dynamo_work_handler_*`. */

import { Counter, Gauge, Histogram } from "prom-client";
import type { ExporterHealth } from "../telemetry.ts";
import {
  COUNT_BUCKETS,
  createRegistry,
  type MetricsPage,
  type MetricsRegistry,
  observedGauge,
  observeExporter,
  renderMetrics,
  SECONDS_BUCKETS,
} from "./registry.ts";

/** On every metric of the process, under Dynamo's label names. */
export interface WorkerLabels {
  readonly namespace: string;
  readonly component: string;
  readonly endpoint: string;
  readonly workerId: string;
}

/** The engine's load, as far as metrics show it. */
export interface ObservedLoad {
  readonly runningSequences: number;
  readonly waitingSequences: number;
  readonly pendingPromptTokens: number;
  readonly usedBlocks: number;
  readonly totalBlocks: number;
}

export interface ObservedStep {
  readonly startMs: number;
  readonly endMs: number;
  readonly prefillRows: number;
  readonly decodeRows: number;
}

export interface WorkerMetrics {
  /** Counts a request; the returned function ends it with `success` or the code of its error, once. */
  requestStarted(): (outcome: string) => void;
  kvTransferred(direction: "sent" | "received", bytes: number, durationMs: number): void;
  stepDone(step: ObservedStep): void;
  /** What is read at every scrape. */
  observe(
    read: () => { readonly load: ObservedLoad; readonly exporter: ExporterHealth },
  ): void;
  /** The page of /metrics; `accept` is the request's header. */
  render(accept: string): Promise<MetricsPage>;
}

const COMPONENT = "dynamo_component_";
const OUTCOME = /^[a-z_]{1,40}$/;

/** Metrics of one worker process. */
export function createWorkerMetrics(labels: WorkerLabels): WorkerMetrics {
  const registry = createRegistry();
  registry.setDefaultLabels({
    dynamo_namespace: labels.namespace,
    dynamo_component: labels.component,
    dynamo_endpoint: labels.endpoint,
    worker_id: labels.workerId,
  });
  const instruments = createInstruments(registry);
  let observed: (() => { load: ObservedLoad; exporter: ExporterHealth }) | null = null;
  observeLoad(registry, () => observed?.().load);
  observeExporter(registry, () => observed?.().exporter);
  return {
    requestStarted() {
      const startMs = performance.now();
      let hasEnded = false;
      instruments.requests.inc();
      instruments.inflight.inc();
      return (outcome) => {
        if (hasEnded) return;
        hasEnded = true;
        instruments.inflight.dec();
        instruments.duration.observe((performance.now() - startMs) / 1000);
        if (outcome === "cancelled") instruments.cancellations.inc();
        else if (outcome !== "success") {
          instruments.errors.inc({ error_type: OUTCOME.test(outcome) ? outcome : "other" });
        }
      };
    },
    kvTransferred(direction, bytes, durationMs) {
      instruments.kvBytes.inc({ direction }, bytes);
      instruments.kvSeconds.observe({ direction }, durationMs / 1000);
    },
    stepDone({ startMs, endMs, prefillRows, decodeRows }) {
      instruments.stepSeconds.observe((endMs - startMs) / 1000);
      if (prefillRows > 0) instruments.stepRows.observe({ kind: "prefill" }, prefillRows);
      if (decodeRows > 0) instruments.stepRows.observe({ kind: "decode" }, decodeRows);
    },
    observe(read) {
      observed = read;
    },
    render: (accept) => renderMetrics(registry, accept),
  };
}

function observeLoad(registry: MetricsRegistry, read: () => ObservedLoad | undefined): void {
  const gauges = [
    [`${COMPONENT}running_sequences`, "Sequences in the batch", "runningSequences"],
    ["dynamo_work_handler_queue_depth", "Sequences that wait for the batch", "waitingSequences"],
    [`${COMPONENT}pending_prompt_tokens`, "Prompt tokens not yet computed", "pendingPromptTokens"],
    [`${COMPONENT}used_blocks`, "KV blocks in use", "usedBlocks"],
    [`${COMPONENT}total_blocks`, "KV blocks that there are", "totalBlocks"],
  ] as const;
  for (const [name, help, key] of gauges) {
    observedGauge(registry, { name, help }, () => read()?.[key]);
  }
}

function createInstruments(registry: MetricsRegistry) {
  const registers = [registry];
  const seconds = { buckets: [...SECONDS_BUCKETS], registers };
  return {
    requests: new Counter({
      name: `${COMPONENT}requests_total`,
      help: "Requests that arrived",
      registers,
    }),
    errors: new Counter({
      name: `${COMPONENT}errors_total`,
      help: "Requests that ended with an error",
      labelNames: ["error_type"],
      registers,
    }),
    cancellations: new Counter({
      name: `${COMPONENT}cancellation_total`,
      help: "Requests that their caller cancelled",
      registers,
    }),
    inflight: new Gauge({
      name: `${COMPONENT}inflight_requests`,
      help: "Requests that have not ended",
      registers,
    }),
    duration: new Histogram({
      ...seconds,
      name: `${COMPONENT}request_duration_seconds`,
      help: "Arrival to the last frame",
    }),
    kvBytes: new Counter({
      name: `${COMPONENT}kv_transfer_bytes_total`,
      help: "KV bytes moved",
      labelNames: ["direction"],
      registers,
    }),
    kvSeconds: new Histogram({
      ...seconds,
      name: `${COMPONENT}kv_transfer_seconds`,
      help: "Time of one prompt's KV transfer",
      labelNames: ["direction"],
    }),
    stepSeconds: new Histogram({
      ...seconds,
      name: `${COMPONENT}engine_step_seconds`,
      help: "Time of one engine step",
    }),
    stepRows: new Histogram({
      name: `${COMPONENT}engine_step_rows`,
      help: "Rows of one kind in an engine step that has any",
      labelNames: ["kind"],
      buckets: [...COUNT_BUCKETS],
      registers,
    }),
  };
}
