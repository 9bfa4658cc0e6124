/** A worker's metrics: `dynamo_component_*` and `dynamo_work_handler_*`. */

import { Counter, Gauge, Histogram } from "prom-client";
import type { ExporterHealth } from "../telemetry.ts";
import { observe } from "./exemplar.ts";
import {
  COUNT_BUCKETS,
  createRegistry,
  describeMetrics,
  type MetricDescription,
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
  /** Time on the device, where it tells; else all of the step counts as that. */
  readonly deviceMs?: number;
  readonly prefillRows: number;
  readonly decodeRows: number;
}

/** For each kind of rows, the trace of a request in the step that is exported. */
export interface StepTraces {
  readonly prefill?: string;
  readonly decode?: string;
}

export interface ObservedTransfer {
  readonly direction: "sent" | "received";
  readonly bytes: number;
  readonly durationMs: number;
  /** Of a trace that is exported: becomes the exemplar. */
  readonly traceId?: string;
}

/** What computes, and what it serves. */
export interface ObservedEngine {
  readonly backend: string;
  readonly adapter: string;
  readonly model: string;
}

/** What is read at every scrape. */
export interface ObservedWorker {
  readonly load: ObservedLoad;
  /** Time that the step in progress has run; 0 between steps. */
  readonly stepRunningMs: number;
  readonly exporter: ExporterHealth;
}

export interface WorkerMetrics {
  /**
   * Counts a request; the returned function ends it with `success` or the code of its error, once.
   * `traceId` of a trace that is exported becomes the exemplar.
   */
  requestStarted(): (outcome: string, traceId?: string) => void;
  kvTransferred(transfer: ObservedTransfer): void;
  /** Comes before the first step. */
  engineOpened(engine: ObservedEngine): void;
  /** `traces` become the exemplars. */
  stepDone(step: ObservedStep, traces: StepTraces): void;
  observe(read: () => ObservedWorker): void;
  /** The page of /metrics; `accept` is the request's header. */
  render(accept: string): Promise<MetricsPage>;
  /** What there is to see on the page. */
  describe(): readonly MetricDescription[];
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
  let observed: (() => ObservedWorker) | null = null;
  let backend = "";
  observeLoad(registry, () => observed?.().load);
  observedGauge(registry, {
    name: `${COMPONENT}engine_step_running_seconds`,
    help: "Time that the engine step in progress has run, 0 between steps",
  }, () => (observed?.().stepRunningMs ?? 0) / 1000);
  observeExporter(registry, () => observed?.().exporter);
  return {
    requestStarted() {
      const startMs = performance.now();
      let hasEnded = false;
      instruments.requests.inc();
      instruments.inflight.inc();
      return (outcome, traceId) => {
        if (hasEnded) return;
        hasEnded = true;
        instruments.inflight.dec();
        observe(instruments.duration, {}, (performance.now() - startMs) / 1000, traceId);
        if (outcome === "cancelled") instruments.cancellations.inc();
        else if (outcome !== "success") {
          instruments.errors.inc({ error_type: OUTCOME.test(outcome) ? outcome : "other" });
        }
      };
    },
    kvTransferred({ direction, bytes, durationMs, traceId }) {
      instruments.kvBytes.inc({ direction }, bytes);
      observe(instruments.kvSeconds, { direction }, durationMs / 1000, traceId);
    },
    engineOpened(engine) {
      backend = engine.backend;
      const { adapter, model } = engine;
      instruments.engineInfo.set({ backend, adapter, model }, 1);
    },
    stepDone({ startMs, endMs, deviceMs = endMs - startMs, prefillRows, decodeRows }, traces) {
      const { stepSeconds, stepRows } = instruments;
      observe(stepSeconds, {}, (endMs - startMs) / 1000, traces.prefill ?? traces.decode);
      const rowSeconds = deviceMs / 1000 / (prefillRows + decodeRows);
      for (const [kind, rows] of [["prefill", prefillRows], ["decode", decodeRows]] as const) {
        if (rows === 0) continue;
        observe(stepRows, { kind }, rows, traces[kind]);
        instruments.computeSeconds.inc({ backend, kind }, rows * rowSeconds);
      }
    },
    observe(read) {
      observed = read;
    },
    render: (accept) => renderMetrics(registry, accept),
    describe: () => describeMetrics(registry),
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
  const traced = { enableExemplars: true as const, registers };
  const seconds = { ...traced, buckets: [...SECONDS_BUCKETS] };
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
      labelNames: ["direction"] as const,
    }),
    stepSeconds: new Histogram({
      ...seconds,
      name: `${COMPONENT}engine_step_seconds`,
      help: "Time of one engine step",
    }),
    engineInfo: new Gauge({
      name: `${COMPONENT}engine_info`,
      help: "1: what the worker computes on, and its model",
      labelNames: ["backend", "adapter", "model"],
      registers,
    }),
    computeSeconds: new Counter({
      name: `${COMPONENT}engine_compute_seconds_total`,
      help: "Time of the device, or of steps where the device tells none, by kind of rows",
      labelNames: ["backend", "kind"],
      registers,
    }),
    stepRows: new Histogram({
      ...traced,
      name: `${COMPONENT}engine_step_rows`,
      help: "Rows of one kind in an engine step that has any",
      labelNames: ["kind"] as const,
      buckets: [...COUNT_BUCKETS],
    }),
  };
}
