/** The frontend's metrics: `dynamo_frontend_*`. */

import { Counter, Gauge, Histogram } from "prom-client";
import type { ExporterHealth } from "../telemetry.ts";
import {
  COUNT_BUCKETS,
  createRegistry,
  type MetricsPage,
  type MetricsRegistry,
  observeExporter,
  renderMetrics,
  SECONDS_BUCKETS,
} from "./registry.ts";

export type FrontendEndpoint = "chat_completions" | "completions" | "models";
export type RequestType = "stream" | "unary";
/** Dynamo's error types; empty for success. */
export type FrontendErrorType =
  | ""
  | "validation"
  | "not_found"
  | "overload"
  | "unavailable"
  | "cancelled"
  | "response_timeout"
  | "internal"
  | "not_implemented";

export interface RequestLabels {
  /** As the request names it; a model that is not served counts as `unknown_model`. */
  readonly model: string;
  readonly endpoint: FrontendEndpoint;
  readonly requestType: RequestType;
}

export interface RequestEnd {
  readonly errorType: FrontendErrorType;
  readonly durationMs: number;
  /** Left out when the request never got as far. */
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly cachedTokens?: number;
  /** Of a sampled trace: becomes the exemplar of the duration. */
  readonly traceId?: string;
}

/** Measures one request, from its arrival to its end. */
export interface RequestMeter {
  /** The request waits for a place, until `dequeued`. */
  queued(): void;
  dequeued(): void;
  /** `traceId` of a sampled trace becomes the exemplar. */
  firstToken(ttftMs: number, traceId?: string): void;
  /** A token after the first, and the time since the one before. */
  nextToken(itlMs: number): void;
  /** Ends it; ending twice is harmless. */
  end(end: RequestEnd): void;
}

export interface FrontendMetrics {
  /** The models that are served now: the values that the label `model` may have. */
  setModels(names: readonly string[]): void;
  requestStarted(labels: RequestLabels): RequestMeter;
  clientDisconnected(): void;
  /** What is read at every scrape. */
  observe(read: () => { readonly exporter: ExporterHealth }): void;
  /** The page of /metrics; `accept` is the request's header. */
  render(accept: string): Promise<MetricsPage>;
}

const UNKNOWN_MODEL = "unknown_model";
const PREFIX = "dynamo_frontend_";

/** Metrics of one frontend process. */
export function createFrontendMetrics(): FrontendMetrics {
  const registry = createRegistry();
  const instruments = createInstruments(registry);
  let models: ReadonlySet<string> = new Set();
  let exporter: () => ExporterHealth | undefined = () => undefined;
  observeExporter(registry, () => exporter());
  return {
    setModels(names) {
      models = new Set(names);
    },
    requestStarted(labels) {
      const model = models.has(labels.model) ? labels.model : UNKNOWN_MODEL;
      return new InstrumentedRequest(instruments, { ...labels, model });
    },
    clientDisconnected() {
      instruments.disconnected.inc();
    },
    observe(read) {
      exporter = () => read().exporter;
    },
    render: (accept) => renderMetrics(registry, accept),
  };
}

type Instruments = ReturnType<typeof createInstruments>;

class InstrumentedRequest implements RequestMeter {
  readonly #instruments: Instruments;
  readonly #labels: RequestLabels;
  #isQueued = false;
  #isEnded = false;

  constructor(instruments: Instruments, labels: RequestLabels) {
    this.#instruments = instruments;
    this.#labels = labels;
    const { model, endpoint, requestType } = labels;
    instruments.started.inc({ model, endpoint, request_type: requestType });
    instruments.inflight.inc({ model });
  }

  queued(): void {
    if (this.#isQueued || this.#isEnded) return;
    this.#isQueued = true;
    this.#instruments.queued.inc({ model: this.#labels.model });
  }

  dequeued(): void {
    if (!this.#isQueued) return;
    this.#isQueued = false;
    this.#instruments.queued.dec({ model: this.#labels.model });
  }

  firstToken(ttftMs: number, traceId?: string): void {
    const labels = { model: this.#labels.model };
    this.#instruments.ttft.observe({
      labels,
      value: ttftMs / 1000,
      exemplarLabels: exemplar(traceId),
    });
    this.#instruments.outputTokensTotal.inc(labels);
  }

  nextToken(itlMs: number): void {
    const labels = { model: this.#labels.model };
    this.#instruments.itl.observe(labels, itlMs / 1000);
    this.#instruments.outputTokensTotal.inc(labels);
  }

  end(end: RequestEnd): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.dequeued();
    const { inflight, requests, duration, inputTokens, outputTokens, cachedTokens } =
      this.#instruments;
    const { model, endpoint, requestType } = this.#labels;
    inflight.dec({ model });
    requests.inc({
      model,
      endpoint,
      request_type: requestType,
      status: end.errorType === "" ? "success" : "error",
      error_type: end.errorType,
    });
    duration.observe({
      labels: { model },
      value: end.durationMs / 1000,
      exemplarLabels: exemplar(end.traceId),
    });
    if (end.inputTokens !== undefined) inputTokens.observe({ model }, end.inputTokens);
    if (end.outputTokens !== undefined) outputTokens.observe({ model }, end.outputTokens);
    if (end.cachedTokens !== undefined) cachedTokens.observe({ model }, end.cachedTokens);
  }
}

function exemplar(traceId: string | undefined): Record<string, string> {
  return traceId === undefined ? {} : { trace_id: traceId };
}

function createInstruments(registry: MetricsRegistry) {
  const registers = [registry];
  const labelNames = ["model"] as const;
  const seconds = { labelNames, buckets: [...SECONDS_BUCKETS], registers };
  const counts = { labelNames, buckets: [...COUNT_BUCKETS], registers };
  return {
    requests: new Counter({
      name: `${PREFIX}requests_total`,
      help: "Requests that ended",
      labelNames: ["model", "endpoint", "request_type", "status", "error_type"],
      registers,
    }),
    started: new Counter({
      name: `${PREFIX}requests_started_total`,
      help: "Requests that began",
      labelNames: ["model", "endpoint", "request_type"],
      registers,
    }),
    inflight: new Gauge({
      name: `${PREFIX}inflight_requests`,
      help: "Requests that have not ended",
      labelNames: ["model"],
      registers,
    }),
    queued: new Gauge({
      name: `${PREFIX}queued_requests`,
      help: "Requests that wait for a place",
      labelNames: ["model"],
      registers,
    }),
    disconnected: new Gauge({
      name: `${PREFIX}disconnected_clients`,
      help: "Clients that left before their answer was complete, since the start",
      registers,
    }),
    outputTokensTotal: new Counter({
      name: `${PREFIX}output_tokens_total`,
      help: "Tokens generated",
      labelNames: ["model"],
      registers,
    }),
    duration: new Histogram({
      ...seconds,
      name: `${PREFIX}request_duration_seconds`,
      help: "Arrival to the last byte",
      enableExemplars: true,
    }),
    ttft: new Histogram({
      ...seconds,
      name: `${PREFIX}time_to_first_token_seconds`,
      help: "Arrival to the first token's write",
      enableExemplars: true,
    }),
    itl: new Histogram({
      ...seconds,
      name: `${PREFIX}inter_token_latency_seconds`,
      help: "Time between two tokens",
    }),
    inputTokens: new Histogram({
      ...counts,
      name: `${PREFIX}input_sequence_tokens`,
      help: "Tokens of the prompt",
    }),
    outputTokens: new Histogram({
      ...counts,
      name: `${PREFIX}output_sequence_tokens`,
      help: "Tokens of the answer",
    }),
    cachedTokens: new Histogram({
      ...counts,
      name: `${PREFIX}cached_tokens`,
      help: "Prompt tokens that came from a prefix cache",
    }),
  };
}
