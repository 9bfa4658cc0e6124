/**
 * What services use of telemetry. The OpenTelemetry SDK stays behind this file: callers name a span's
 * role, give times where they have them, and never build a context by hand.
 *
 * Everything fails open: a dead collector, a full queue or a bad attribute never fails a request.
 */

import type { Propagator } from "./propagate/mod.ts";
import type { AttributeValues, SpanRole } from "./registry/mod.ts";

/** Lower-case header keys to values, as they cross HTTP and NATS. */
export type Headers = Readonly<Record<string, string>>;

/** The ids that logs and headers carry. */
export interface RequestIds {
  /** The client's `x-request-id`, or a generated one. */
  readonly xRequestId: string;
  /** Ours, a UUID. */
  readonly requestId: string;
}

export interface SpanOptions<R extends SpanRole> {
  readonly attributes?: Partial<AttributeValues<R>>;
  /** Epoch milliseconds with fractions; now when left out. */
  readonly startMs?: number;
  /** Spans this one relates to without being their child. */
  readonly links?: readonly SpanReference[];
}

export interface ServerSpanOptions<R extends SpanRole> extends SpanOptions<R> {
  /**
   * Takes the place of the remote parent where nobody tells in time that it was exported
   * (`parentsExported`): its process may have been killed.
   */
  readonly standInParent?: SpanReference;
}

export interface RootSpanOptions<R extends SpanRole> extends SpanOptions<R> {
  /**
   * Requests that asked for the span, and the detail level of it and its children: it is exported when
   * one of them is. The process's own level and sampler count when left out.
   */
  readonly asked?: { readonly by: readonly ActiveSpan[]; readonly level: number };
}

export interface SpanReference {
  readonly traceId: string;
  readonly spanId: string;
}

/** An open span. Ending twice is harmless; a span that is never ended ends with its process's drain. */
export interface ActiveSpan<R extends SpanRole = SpanRole> extends SpanReference {
  readonly role: R;
  readonly isSampled: boolean;
  /** It goes to the collector: sampled, or kept all the same, which is known when it has ended. */
  readonly isExported: boolean;
  /** It is not sampled, and what it and its request made is held until they are kept or let go. */
  readonly mayBeKept: boolean;
  /** Detail level of its request, 0 to 3. */
  readonly level: number;
  /** `traceparent`, `tracestate` and baggage that make a remote span a child of this one, and the ids. */
  headers(): Headers;
  /** Opens a child. Below the configured level the child is this span itself, and ending it is a no-op. */
  child<C extends SpanRole>(role: C, options?: SpanOptions<C>): ActiveSpan<C>;
  set(attributes: Partial<AttributeValues<R>>): void;
  event(name: string, attributes?: Record<string, string | number | boolean>, atMs?: number): void;
  link(reference: SpanReference): void;
  /** Marks the span as failed. A client that leaves is not a failure: set its outcome instead. */
  fail(errorType: string, message: string): void;
  end(endMs?: number): void;
  /** A logger whose lines carry this span's ids. */
  readonly log: Logger;
}

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** One JSON object (or readable line) on stderr a call. `target` is the module, such as `frontend`. */
export interface Logger {
  trace(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export type ResourceAttributes = Readonly<Record<string, string | number | boolean>>;

export type ExportProtocol = "http/protobuf" | "http/json";

/** For a collector behind https://, each in PEM; what is left out is the platform's, or none. */
export interface ExportTls {
  /** Authorities that may have signed the collector's certificate, in place of the known ones. */
  readonly ca?: string;
  /** What this process shows of itself. */
  readonly cert?: string;
  readonly key?: string;
}

export interface SamplerChoice {
  /** As `OTEL_TRACES_SAMPLER` names it. */
  readonly name:
    | "always_on"
    | "always_off"
    | "traceidratio"
    | "parentbased_always_on"
    | "parentbased_always_off"
    | "parentbased_traceidratio";
  /** Share of traces that a `traceidratio` takes, 0 to 1. */
  readonly ratio: number;
}

/** Slower than a time, or than a multiple of the 95th percentile of the requests before. */
export type SlowThreshold =
  | { readonly of: "time"; readonly ms: number }
  | { readonly of: "p95"; readonly factor: number };

/** Which requests are exported whole although they were not sampled: failed ones, and slow ones. */
export interface KeepOptions {
  /** Null: none counts as slow. */
  readonly slowerThan: SlowThreshold | null;
  /** Memory for spans of requests that nobody has decided on. */
  readonly maxBytes: number;
  /** Time from the end of a request in this process in which the decision may come. */
  readonly waitMs: number;
}

/** What a span may hold; what is too much is left out and counted on the span. */
export interface SpanLimits {
  readonly attributeCount: number;
  /** Characters; Infinity cuts nothing. */
  readonly attributeValueLength: number;
  readonly eventCount: number;
  readonly linkCount: number;
  readonly attributePerEventCount: number;
  readonly attributePerLinkCount: number;
}

export interface TelemetryOptions {
  /** Resource `service.name`. */
  readonly serviceName: string;
  readonly serviceVersion: string;
  readonly serviceInstanceId: string;
  /** More resource attributes; they win over all others. */
  readonly resource: ResourceAttributes;
  readonly exportEnabled: boolean;
  /** Full URL of the traces endpoint, `…/v1/traces`. */
  readonly tracesUrl: string;
  readonly exportHeaders: Headers;
  readonly exportTimeoutMs: number;
  readonly exportProtocol: ExportProtocol;
  readonly exportCompression: "none" | "gzip";
  readonly exportTls: ExportTls;
  /** Time in which a batch must arrive, tries again included. */
  readonly batchTimeoutMs: number;
  readonly queueSize: number;
  readonly batchSize: number;
  readonly scheduleDelayMs: number;
  /** 0 propagate only, 1 stages, 2 sub-stages, 3 steps. */
  readonly level: 0 | 1 | 2 | 3;
  /** Highest level that a request may ask for by its tracestate; 0 for none. */
  readonly remoteLevel: 0 | 1 | 2 | 3;
  readonly sampler: SamplerChoice;
  /** Null: what was not sampled is not recorded either. */
  readonly keep: KeepOptions | null;
  readonly spanLimits: SpanLimits;
  /** What is read from clients. Baton's services read W3C of each other. */
  readonly propagators: readonly Propagator[];
  readonly logJsonl: boolean;
  readonly logSpanEvents: boolean;
  readonly logUseLocalTz: boolean;
  /** Path of a file that also gets every line, as JSON and with span events; empty for none. */
  readonly logFile: string;
  /** `info`, or `info,bus=debug`. */
  readonly logFilter: string;
}

/** Counts since the start; queued and held ones are now. */
export interface ExporterHealth {
  readonly exportedSpans: number;
  /** Lost for any reason: a full queue, a batch that the collector refused, an outage that lasted. */
  readonly droppedSpans: number;
  /** Export attempts that failed; most are tried again. */
  readonly failedBatches: number;
  /** Spans in attempts after the first, each time they were sent again. */
  readonly retriedSpans: number;
  /** Ended spans that wait for the collector, those under way included. */
  readonly queuedSpans: number;
  /** Spans of unsampled requests that wait for the word to keep them, and their estimated memory. */
  readonly heldSpans: number;
  readonly heldBytes: number;
  /** Spans of unsampled requests that were exported: slow or failed. */
  readonly keptSpans: number;
  /** Spans of unsampled requests that were let go because nobody asked for them in time. */
  readonly expiredSpans: number;
  /** Spans of unsampled requests that were let go before their time, for want of memory. */
  readonly evictedSpans: number;
}

export interface Telemetry {
  readonly log: Logger;
  /** A logger for one module. */
  logger(target: string): Logger;
  /**
   * Opens a span whose parent is in `headers` when they hold a valid traceparent, else a root. `ids` is
   * null for what belongs to no request.
   */
  serverSpan<R extends SpanRole>(
    role: R,
    headers: Headers,
    ids: RequestIds | null,
    options?: ServerSpanOptions<R>,
  ): ActiveSpan<R>;
  /** Opens a span that belongs to no request and has no parent, such as `worker_start`. */
  rootSpan<R extends SpanRole>(role: R, options?: RootSpanOptions<R>): ActiveSpan<R>;
  /** The span reference that `headers` carry, for links; null when there is none. */
  reference(headers: Headers): SpanReference | null;
  /** More of the resource, known only now: on every span that is exported from here on. */
  describe(resource: ResourceAttributes): void;
  /** Exports a request's spans although they were not sampled: another process saw it end badly. */
  keep(requestId: string): void;
  /** Tells of each request that ended slow or failed here, so that other processes keep it too. */
  onKeep(listener: (requestId: string) => void): void;
  /** Spans of other processes have left: spans of this one that waited for them do too. */
  parentsExported(spanIds: readonly string[]): void;
  /** Tells of spans of this process for which spans of others may wait, when they have left. */
  onParentsExported(listener: (spanIds: readonly string[]) => void): void;
  /**
   * For a process that goes away: spans for which others wait leave, and so do those of this process
   * that wait for others' or for the word to keep them, if that comes now. Resolves in a moment.
   */
  lastWords(): Promise<void>;
  /** Exporter health for /metrics and /health. */
  readonly exporter: ExporterHealth;
  /** Ends open spans with the reason, exports what is queued within the time, resolves always. */
  shutdown(reason: string, timeoutMs: number): Promise<void>;
}
