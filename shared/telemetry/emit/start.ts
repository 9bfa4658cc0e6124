/** Starts telemetry for one process: provider, queue, exporter and loggers behind `Telemetry`. */

import { type SpanContext, TraceFlags } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  NoopSpanProcessor,
  ParentBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { deadline } from "@std/async/deadline.js";
import type { LineLogger } from "../log/mod.ts";
import {
  formatBaggage,
  parseBaggage,
  parseTraceparent,
  parseTracestate,
  type TraceParent,
} from "../propagate/mod.ts";
import type { SpanRole } from "../registry/mod.ts";
import type {
  ActiveSpan,
  Headers,
  Logger,
  RequestIds,
  SpanOptions,
  SpanReference,
  Telemetry,
  TelemetryOptions,
} from "../telemetry.ts";
import { openSpan, type SpanRuntime } from "./active_span.ts";
import { AttributeGuard } from "./attribute_guard.ts";
import { ExportStats, ReliableExporter } from "./exporter.ts";
import { createLoggers } from "./loggers.ts";
import { createPassThroughTracer } from "./pass_through_tracer.ts";
import { RequestSpans } from "./request_spans.ts";
import { processFields, processResource } from "./resource.ts";
import { ForwardedTraceState } from "./trace_state.ts";

const SCOPE_NAME = "baton";
/** The reliable exporter ends every export by itself; the batch processor's own limit stays away. */
const NO_LIMIT_MS = 2 ** 31 - 1;
const RETRY = { firstMs: 1000, longestMs: 30_000, giveUpMs: 5 * 60_000 };

/**
 * Starts telemetry for this process. Throws a SyntaxError for a log filter that does not parse; after
 * that nothing here throws.
 */
export function startTelemetry(options: TelemetryOptions): Telemetry {
  return new ProcessTelemetry(options);
}

class ProcessTelemetry implements Telemetry {
  readonly log: LineLogger;
  readonly exporter = new ExportStats();
  readonly #options: TelemetryOptions;
  readonly #runtime: SpanRuntime;
  readonly #delivery: ReliableExporter | null;
  #shutdown: Promise<void> | null = null;

  constructor(options: TelemetryOptions) {
    this.#options = options;
    const { level } = options;
    const { log, spanEventLog } = createLoggers(options);
    this.log = log;
    const isExporting = options.exportEnabled && level > 0;
    this.#delivery = isExporting
      ? createDelivery(options, this.exporter, this.logger("telemetry"))
      : null;
    const requests = new RequestSpans({
      processor: this.#delivery === null
        ? new NoopSpanProcessor()
        : createBatches(options, this.#delivery),
      stats: this.exporter,
      queueSize: options.queueSize,
    });
    const resource = processResource(options);
    const provider = new TracerProvider({
      resource,
      sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
      spanProcessors: isExporting ? [requests] : [],
    });
    this.#runtime = {
      tracer: level > 0
        ? provider.getTracer(SCOPE_NAME, options.serviceVersion)
        : createPassThroughTracer(),
      requests,
      guard: new AttributeGuard({ level, log: this.logger("telemetry") }),
      level,
      log,
      spanEventLog,
      processFields: processFields(resource),
      openSpans: new Set(),
    };
  }

  logger(target: string): Logger {
    return this.log.withTarget(target);
  }

  serverSpan<R extends SpanRole>(
    role: R,
    headers: Headers,
    ids: RequestIds,
    options: SpanOptions<R> = {},
  ): ActiveSpan<R> {
    const parent = parseTraceparent(headers.traceparent);
    return openSpan(role, {
      runtime: this.#runtime,
      scope: {
        group: this.#runtime.requests.open(ids.requestId),
        ids,
        baggage: headers.baggage === undefined ? "" : formatBaggage(parseBaggage(headers.baggage)),
        isRandom: parent?.isRandom ?? false,
      },
      span: options,
      remote: parent === null ? undefined : remoteContext(parent, headers.tracestate),
    });
  }

  rootSpan<R extends SpanRole>(role: R, options: SpanOptions<R> = {}): ActiveSpan<R> {
    const group = this.#runtime.requests.open(crypto.randomUUID());
    return openSpan(role, {
      runtime: this.#runtime,
      scope: { group, ids: null, baggage: "", isRandom: false },
      span: options,
    });
  }

  reference(headers: Headers): SpanReference | null {
    const parent = parseTraceparent(headers.traceparent);
    return parent === null ? null : { traceId: parent.traceId, spanId: parent.spanId };
  }

  shutdown(reason: string, timeoutMs: number): Promise<void> {
    return this.#shutdown ??= this.#drain(reason, timeoutMs);
  }

  async #drain(reason: string, timeoutMs: number): Promise<void> {
    for (const span of [...this.#runtime.openSpans].reverse()) span.abandon(reason);
    if (this.#delivery === null) return;
    this.#delivery.drain();
    try {
      await deadline(this.#runtime.requests.shutdown(), timeoutMs);
    } catch (error) {
      this.logger("telemetry").warn("could not export all spans before the end", {
        queued_spans: this.exporter.queuedSpans,
        dropped_spans: this.exporter.droppedSpans,
        error: error instanceof Error ? error.message : String(error),
        url: this.#options.tracesUrl,
      });
    }
  }
}

function createDelivery(
  options: TelemetryOptions,
  stats: ExportStats,
  log: Logger,
): ReliableExporter {
  const { tracesUrl, exportHeaders, exportTimeoutMs } = options;
  const exporter = new OTLPTraceExporter({
    url: tracesUrl,
    headers: exportHeaders,
    timeoutMillis: exportTimeoutMs,
  });
  return new ReliableExporter({ exporter, stats, log, tracesUrl, retry: RETRY });
}

function createBatches(options: TelemetryOptions, exporter: ReliableExporter): BatchSpanProcessor {
  return new BatchSpanProcessor({
    exporter,
    maxQueueSize: options.queueSize,
    maxExportBatchSize: options.batchSize,
    scheduledDelayMillis: options.scheduleDelayMs,
    exportTimeoutMillis: NO_LIMIT_MS,
  });
}

function remoteContext(parent: TraceParent, header: string | undefined): SpanContext {
  const tracestate = parseTracestate(header);
  return {
    traceId: parent.traceId,
    spanId: parent.spanId,
    traceFlags: parent.isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
    traceState: tracestate === null ? undefined : ForwardedTraceState.parse(tracestate),
    isRemote: true,
  };
}
