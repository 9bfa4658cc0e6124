/** A worker's metrics: `dynamo_component_*` and `dynamo_work_handler_*`. */

import type { ExporterHealth } from "../telemetry.ts";
import { observe } from "./exemplar.ts";
import {
  createRegistry,
  describeMetrics,
  type MetricDescription,
  type MetricsPage,
  type MetricsRegistry,
  observedGauge,
  observeExporter,
  renderMetrics,
} from "./registry.ts";
import {
  COMPONENT_PREFIX,
  createWorkerInstruments,
  WORK_HANDLER_PREFIX,
} from "./worker_instruments.ts";
import { WorkerRequestMeter } from "./worker_request_meter.ts";

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
  readonly loadMs: number;
}

/** What is read at every scrape. */
export interface ObservedWorker {
  readonly load: ObservedLoad;
  /** Sequences that may wait. */
  readonly queueLimit: number;
  /** Time that the step in progress has run; 0 between steps. */
  readonly stepRunningMs: number;
  readonly exporter: ExporterHealth;
}

export interface WorkerMetrics {
  /** Counts a request. */
  requestStarted(): WorkerRequestMeter;
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

/** Metrics of one worker process. */
export function createWorkerMetrics(labels: WorkerLabels): WorkerMetrics {
  const registry = createRegistry();
  registry.setDefaultLabels({
    dynamo_namespace: labels.namespace,
    dynamo_component: labels.component,
    dynamo_endpoint: labels.endpoint,
    worker_id: labels.workerId,
  });
  const instruments = createWorkerInstruments(registry);
  let observed: (() => ObservedWorker) | null = null;
  const prompts = { tokens: 0, cachedTokens: 0 };
  let backend = "";
  observeLoad(registry, () => observed?.().load);
  observedGauge(registry, {
    name: `${COMPONENT_PREFIX}engine_step_running_seconds`,
    help: "Time that the engine step in progress has run, 0 between steps",
  }, () => (observed?.().stepRunningMs ?? 0) / 1000);
  const gauges = [
    [
      `${COMPONENT_PREFIX}uptime_seconds`,
      "Time since the process started",
      () => performance.now() / 1000,
    ],
    [
      `${COMPONENT_PREFIX}kv_cache_hit_rate`,
      "Share of the prompts' tokens that came from the prefix cache, since the start, 0 to 1",
      () => prompts.tokens === 0 ? 0 : prompts.cachedTokens / prompts.tokens,
    ],
    [
      `${WORK_HANDLER_PREFIX}queue_capacity`,
      "Sequences that may wait for the batch",
      () => observed?.().queueLimit,
    ],
  ] as const;
  for (const [name, help, read] of gauges) observedGauge(registry, { name, help }, read);
  observeExporter(registry, () => observed?.().exporter);
  return {
    requestStarted: () => new WorkerRequestMeter(instruments, prompts),
    kvTransferred({ direction, bytes, durationMs, traceId }) {
      instruments.kvBytes.inc({ direction }, bytes);
      observe(instruments.kvSeconds, { direction }, durationMs / 1000, traceId);
    },
    engineOpened(engine) {
      backend = engine.backend;
      const { adapter, model, loadMs } = engine;
      instruments.engineInfo.set({ backend, adapter, model }, 1);
      instruments.loadSeconds.set(loadMs / 1000);
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
    [`${COMPONENT_PREFIX}running_sequences`, "Sequences in the batch", "runningSequences"],
    [`${WORK_HANDLER_PREFIX}queue_depth`, "Sequences that wait for the batch", "waitingSequences"],
    [
      `${COMPONENT_PREFIX}pending_prompt_tokens`,
      "Prompt tokens not yet computed",
      "pendingPromptTokens",
    ],
    [`${COMPONENT_PREFIX}used_blocks`, "KV blocks in use", "usedBlocks"],
    [`${COMPONENT_PREFIX}total_blocks`, "KV blocks that there are", "totalBlocks"],
  ] as const;
  for (const [name, help, key] of gauges) {
    observedGauge(registry, { name, help }, () => read()?.[key]);
  }
  observedGauge(registry, {
    name: `${COMPONENT_PREFIX}gpu_cache_usage_percent`,
    help: "Share of the KV blocks that is in use, on any device, 0 to 1",
  }, () => {
    const { usedBlocks = 0, totalBlocks = 0 } = read() ?? {};
    return totalBlocks === 0 ? 0 : usedBlocks / totalBlocks;
  });
}
