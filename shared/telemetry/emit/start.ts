/** Starts telemetry for one process: provider, queue, exporter and loggers behind `Telemetry`. */

import { ROOT_CONTEXT, type SpanContext, TraceFlags } from "@opentelemetry/api";
import { type ReadableSpan, TracerProvider } from "@opentelemetry/sdk-trace";
import { deadline } from "@std/async/deadline.js";
import { delay } from "@std/async/delay.js";
import type { LineLogger } from "../log/mod.ts";
import {
  extractContext,
  OWN_PROPAGATORS,
  parseTraceparent,
  type RemoteParent,
  requestedLevel,
} from "../propagate/mod.ts";
import { type SpanRole, SPANS } from "../registry/mod.ts";
import type {
  ActiveSpan,
  Headers,
  Logger,
  RequestIds,
  ResourceAttributes,
  RootSpanOptions,
  ServerSpanOptions,
  SpanLimits,
  SpanReference,
  Telemetry,
  TelemetryOptions,
} from "../telemetry.ts";
import { OpenSpan, openSpan } from "./active_span.ts";
import { AttributeGuard } from "./attribute_guard.ts";
import { createBatches, createDelivery } from "./delivery.ts";
import { ExportStats } from "./export_stats.ts";
import type { ReliableExporter } from "./exporter.ts";
import { createHeldSpans, expireRegularly } from "./held_spans.ts";
import { KeepPolicy } from "./keep_policy.ts";
import { createLoggers } from "./loggers.ts";
import { OpenSpans } from "./open_spans.ts";
import { createPassThroughTracer } from "./pass_through_tracer.ts";
import { RequestSpans } from "./request_spans.ts";
import { processFields, ProcessResource } from "./resource.ts";
import {
  ASKED_FOR_CONTEXT,
  createSamplers,
  HELD_CONTEXT,
  REQUEST_CONTEXT,
  type Samplers,
} from "./samplers.ts";
import { SpanLineFormats } from "./span_line_format.ts";
import type { Keeping, SpanRuntime } from "./span_runtime.ts";
import { ForwardedTraceState } from "./trace_state.ts";

const SCOPE_NAME = "baton";
/** A process of the same system says what it thinks of a request some milliseconds after its end. */
const LAST_WORDS_MS = 500;
/** A process that lives tells of its spans this long after it may have kept them for a batch. */
const PARENT_WORD_MS = 3000;
/** Names of spans that have others below them in other processes. */
const AWAITED: ReadonlySet<string> = new Set(
  Object.values(SPANS).filter(({ isAwaited }) => isAwaited === true).map(({ name }) => name),
);

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
  readonly #samplers: Samplers;
  readonly #resource: ProcessResource;
  readonly #delivery: ReliableExporter | null;
  readonly #keepListeners: ((requestId: string) => void)[] = [];
  readonly #parentListeners: ((spanIds: readonly string[]) => void)[] = [];
  readonly #flushLog: () => void;
  readonly #stopExpiry: () => void;
  #shutdown: Promise<void> | null = null;

  constructor(options: TelemetryOptions) {
    this.#options = options;
    const { level } = options;
    const { log, spanEventLog, flush } = createLoggers(options);
    this.log = log;
    this.#flushLog = flush;
    const isExporting = options.exportEnabled && level > 0;
    this.#delivery = isExporting
      ? createDelivery(options, {
        stats: this.exporter,
        log: this.logger("telemetry"),
        onDelivered: (spans) => this.#delivered(spans),
      })
      : null;
    const keep = isExporting ? options.keep : null;
    const held = keep === null ? null : createHeldSpans(keep, this.exporter);
    this.#stopExpiry = held === null ? () => {} : expireRegularly(held);
    const requests = new RequestSpans({
      processor: this.#delivery === null ? null : createBatches(options, this.#delivery),
      stats: this.exporter,
      queueSize: options.queueSize,
      held,
      parentWaitMs: options.scheduleDelayMs + PARENT_WORD_MS,
    });
    this.#samplers = createSamplers(options.sampler, keep !== null);
    this.#resource = new ProcessResource(options);
    const provider = new TracerProvider({
      resource: this.#resource,
      sampler: this.#samplers.sampler,
      spanLimits: sdkLimits(options.spanLimits),
      spanProcessors: [],
    });
    this.#runtime = {
      tracer: level > 0
        ? provider.getTracer(SCOPE_NAME, options.serviceVersion)
        : createPassThroughTracer(),
      requests,
      keeping: keep === null ? null : this.#createKeeping(new KeepPolicy(keep.slowerThan)),
      guard: new AttributeGuard(this.logger("telemetry")),
      log,
      spanEventLog,
      lineFormats: new SpanLineFormats(processFields(this.#resource)),
      openSpans: new OpenSpans(),
    };
  }

  logger(target: string): Logger {
    return this.log.withTarget(target);
  }

  serverSpan<R extends SpanRole>(
    role: R,
    headers: Headers,
    ids: RequestIds | null,
    { standInParent: standIn, ...span }: ServerSpanOptions<R> = {},
  ): ActiveSpan<R> {
    const isFromClient = SPANS[role].parents.includes("remote");
    const { parent, baggage } = extractContext(
      headers,
      isFromClient ? this.#options.propagators : OWN_PROPAGATORS,
    );
    return openSpan(role, {
      runtime: this.#runtime,
      scope: {
        group: this.#runtime.requests.open(ids?.requestId ?? crypto.randomUUID()),
        context: ids === null ? ROOT_CONTEXT : REQUEST_CONTEXT,
        ids,
        baggage,
        isRandom: parent?.isRandom ?? false,
        level: this.#levelOf(parent),
      },
      span,
      remote: parent === null ? undefined : this.#remoteContext(parent),
      standIn,
    });
  }

  rootSpan<R extends SpanRole>(
    role: R,
    { asked, ...span }: RootSpanOptions<R> = {},
  ): ActiveSpan<R> {
    const level = asked?.level ?? this.#options.level;
    const by = asked?.by ?? [];
    const isHeld = by.length > 0 && by.every(({ isSampled }) => !isSampled);
    const group = this.#runtime.requests.open(
      crypto.randomUUID(),
      isHeld ? by.flatMap((each) => each instanceof OpenSpan ? [each.group] : []) : [],
    );
    const asking = isHeld ? HELD_CONTEXT : ASKED_FOR_CONTEXT;
    const context = asked === undefined ? ROOT_CONTEXT : asking;
    return openSpan(role, {
      runtime: this.#runtime,
      scope: { group, ids: null, baggage: "", isRandom: false, level, context },
      span,
    });
  }

  reference(headers: Headers): SpanReference | null {
    const parent = parseTraceparent(headers.traceparent);
    return parent === null ? null : { traceId: parent.traceId, spanId: parent.spanId };
  }

  describe(resource: ResourceAttributes): void {
    this.#resource.add(resource);
  }

  keep(requestId: string): void {
    this.#runtime.requests.keep(requestId);
  }

  onKeep(listener: (requestId: string) => void): void {
    this.#keepListeners.push(listener);
  }

  parentsExported(spanIds: readonly string[]): void {
    this.#runtime.requests.parentsExported(spanIds);
  }

  onParentsExported(listener: (spanIds: readonly string[]) => void): void {
    this.#parentListeners.push(listener);
  }

  async lastWords(): Promise<void> {
    const { requests } = this.#runtime;
    const left = Promise.all([requests.flush(), requests.parentsKnown()]);
    await Promise.all([
      deadline(left, LAST_WORDS_MS).catch(() => {}),
      this.exporter.heldSpans > 0 ? delay(LAST_WORDS_MS) : null,
    ]);
  }

  shutdown(reason: string, timeoutMs: number): Promise<void> {
    return this.#shutdown ??= this.#drain(reason, timeoutMs);
  }

  #createKeeping(policy: KeepPolicy): Keeping {
    return {
      policy,
      onKept: (requestId) =>
        this.#tell(
          this.#keepListeners,
          requestId,
          "other processes may not learn of a kept request",
        ),
    };
  }

  /** Spans have left: those that others wait for are told. */
  #delivered(spans: readonly ReadableSpan[]): void {
    const ids = spans.filter(({ name }) => AWAITED.has(name)).map((span) =>
      span.spanContext().spanId
    );
    if (ids.length === 0) return;
    this.#tell(this.#parentListeners, ids, "other processes may not learn of exported spans");
  }

  #tell<T>(listeners: readonly ((value: T) => void)[], value: T, failure: string): void {
    for (const listener of listeners) {
      try {
        listener(value);
      } catch (error) {
        this.logger("telemetry").debug(failure, {
          error: error instanceof Error ? error.message : String(error),
        });
      }
    }
  }

  /** The process's own, or what the request asks for where that is allowed. */
  #levelOf(parent: RemoteParent | null): number {
    const { level, remoteLevel } = this.#options;
    if (parent === null || level === 0 || remoteLevel === 0) return level;
    const asked = requestedLevel(parent.tracestate);
    return asked === null ? level : Math.min(asked, Math.max(level, remoteLevel));
  }

  #remoteContext(parent: RemoteParent): SpanContext {
    const { traceId, spanId, tracestate } = parent;
    const isSampled = parent.isSampled ?? this.#samplers.decides(traceId);
    return {
      traceId,
      spanId,
      traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
      traceState: tracestate === "" ? undefined : ForwardedTraceState.parse(tracestate),
      isRemote: true,
    };
  }

  async #drain(reason: string, timeoutMs: number): Promise<void> {
    for (const span of this.#runtime.openSpans.newestFirst()) span.abandon(reason);
    this.#flushLog();
    this.#stopExpiry();
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

function sdkLimits(limits: SpanLimits) {
  return {
    attributeCountLimit: limits.attributeCount,
    attributeValueLengthLimit: limits.attributeValueLength,
    eventCountLimit: limits.eventCount,
    linkCountLimit: limits.linkCount,
    attributePerEventCountLimit: limits.attributePerEventCount,
    attributePerLinkCountLimit: limits.attributePerLinkCount,
  };
}
