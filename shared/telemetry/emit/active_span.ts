/** The spans that callers hold: recorded by the SDK, told to the log, ended exactly once. */

import {
  type Context,
  type Link,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
} from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { epochMs } from "../../clock/epoch_clock.ts";
import { withWholeUsIn } from "../../clock/whole_us.ts";
import { type LineLogger, type LogIds, redactFields, redactText, redactValue } from "../log/mod.ts";
import { formatTraceparent } from "../propagate/mod.ts";
import { type AttributeValues, type SpanKindName, type SpanRole, SPANS } from "../registry/mod.ts";
import type {
  ActiveSpan,
  Headers,
  Logger,
  RequestIds,
  SpanOptions,
  SpanReference,
} from "../telemetry.ts";
import type { AcceptedAttributes } from "./attribute_guard.ts";
import type { OpenEntry } from "./open_spans.ts";
import type { Interval } from "./own_time.ts";
import type { SpanGroup } from "./request_spans.ts";
import { SpanLog } from "./span_log.ts";
import type { RequestScope, SpanRuntime } from "./span_runtime.ts";
import { UnrecordedSpan } from "./unrecorded_span.ts";

interface OpenSpanParts {
  readonly sdkSpan: Span;
  readonly runtime: SpanRuntime;
  readonly scope: RequestScope;
  readonly startMs: number;
  readonly attributes: AcceptedAttributes;
  readonly links: readonly SpanReference[];
  readonly parentSpanId?: string;
  readonly parent?: OpenSpan;
  readonly standIn?: SpanReference;
}

const KINDS: Readonly<Record<SpanKindName, SpanKind>> = {
  INTERNAL: SpanKind.INTERNAL,
  SERVER: SpanKind.SERVER,
  CLIENT: SpanKind.CLIENT,
  PRODUCER: SpanKind.PRODUCER,
  CONSUMER: SpanKind.CONSUMER,
};
const MAX_STATUS_CHARS = 1024;
/** Its end is the end of the whole request. */
const REQUEST_ROLE: SpanRole = "http_request";

export interface OpenOptions<R extends SpanRole> {
  readonly runtime: SpanRuntime;
  readonly scope: RequestScope;
  readonly span: SpanOptions<R>;
  /** The remote parent of a local root. */
  readonly remote?: SpanContext;
  /** Takes the place of the remote parent where that is lost. */
  readonly standIn?: SpanReference;
  readonly parent?: OpenSpan;
}

export class OpenSpan<R extends SpanRole = SpanRole> implements ActiveSpan<R> {
  readonly role: R;
  readonly traceId: string;
  readonly spanId: string;
  readonly isSampled: boolean;
  readonly #parts: OpenSpanParts;
  readonly #openEntry: OpenEntry;
  /** Null when the log has no lines of spans. */
  readonly #spanLog: SpanLog | null;
  #log: LineLogger | null = null;
  #context: Context | null = null;
  #isEnded = false;
  #hasFailed = false;
  #outcome: string | null = null;
  #isKept = false;

  constructor(role: R, parts: OpenSpanParts) {
    const context = parts.sdkSpan.spanContext();
    this.role = role;
    this.traceId = context.traceId;
    this.spanId = context.spanId;
    this.isSampled = (context.traceFlags & TraceFlags.SAMPLED) !== 0;
    this.#parts = parts;
    this.#spanLog = this.#openSpanLog(context);
    this.#openEntry = parts.runtime.openSpans.add(this);
  }

  get isExported(): boolean {
    return this.#parts.runtime.requests.isExporting && (this.isSampled || this.#isKept);
  }

  get mayBeKept(): boolean {
    return !this.isSampled && this.#parts.runtime.keeping !== null && !this.group.isLost;
  }

  /** Where the spans of its request in this process wait. */
  get group(): SpanGroup {
    return this.#parts.scope.group;
  }

  get level(): number {
    return this.#parts.scope.level;
  }

  headers(): Headers {
    const { sdkSpan, scope } = this.#parts;
    const tracestate = sdkSpan.spanContext().traceState?.serialize() ?? "";
    return {
      traceparent: formatTraceparent({ ...this, isRandom: scope.isRandom }),
      ...(tracestate === "" ? {} : { tracestate }),
      ...(scope.baggage === "" ? {} : { baggage: scope.baggage }),
      ...(scope.ids === null
        ? {}
        : { "x-request-id": scope.ids.xRequestId, "request-id": scope.ids.requestId }),
    };
  }

  child<C extends SpanRole>(role: C, options: SpanOptions<C> = {}): ActiveSpan<C> {
    const { runtime, scope } = this.#parts;
    if (SPANS[role].level > scope.level) return new UnrecordedSpan(role, this);
    return openSpan(role, { runtime, scope, span: options, parent: this });
  }

  set(attributes: Partial<AttributeValues<R>>): void {
    this.#set(attributes);
  }

  event(
    name: string,
    attributes?: Record<string, string | number | boolean>,
    atMs?: number,
  ): void {
    if (this.#isEnded || !this.#parts.runtime.guard.acceptsEvent(this.role, name)) return;
    const timeMs = usableMs(atMs);
    const shown = attributes && redactFields(withWholeUsIn(attributes));
    this.#parts.sdkSpan.addEvent(name, shown, timeMs);
    this.#spanLog?.event(name, timeMs, shown);
  }

  link(reference: SpanReference): void {
    if (this.#isEnded) return;
    this.#parts.sdkSpan.addLink(toLink(reference));
    this.#spanLog?.link(reference);
  }

  fail(errorType: string, message: string): void {
    if (this.#isEnded) return;
    this.#hasFailed = true;
    this.#set({ "error.type": errorType });
    const shown = redactText(message).slice(0, MAX_STATUS_CHARS);
    this.#parts.sdkSpan.setStatus({ code: SpanStatusCode.ERROR, message: shown });
    this.#spanLog?.fail(shown);
  }

  end(endMs?: number): void {
    if (this.#isEnded) return;
    const { sdkSpan, runtime, scope, startMs, parent, standIn } = this.#parts;
    const interval = { startMs, endMs: Math.max(usableMs(endMs), startMs) };
    if (this.role === REQUEST_ROLE) this.#judge(interval);
    this.#isEnded = true;
    sdkSpan.end(interval.endMs);
    if (isRecorded(sdkSpan)) runtime.requests.ended(scope.group, sdkSpan, standIn);
    runtime.openSpans.remove(this.#openEntry);
    if (parent !== undefined) parent.#spanLog?.childEnded(interval);
    this.#spanLog?.close(interval);
    if (parent === undefined) runtime.requests.close(scope.group);
  }

  /** Ends it because its process goes away. */
  abandon(reason: string): void {
    if (!this.#hasFailed) {
      this.fail("shutdown", `Cannot finish ${SPANS[this.role].name}: ${reason}`);
    }
    this.#set({ "shutdown.reason": reason });
    this.end();
  }

  get log(): Logger {
    return this.#log ??= this.#parts.runtime.log.withIds(this.#ids());
  }

  /** The SDK's context in which a child is made. */
  get context(): Context {
    const { scope, sdkSpan } = this.#parts;
    return this.#context ??= trace.setSpan(scope.context, sdkSpan);
  }

  #openSpanLog({ traceFlags }: SpanContext): SpanLog | null {
    const { runtime, startMs, attributes, links } = this.#parts;
    if (runtime.spanEventLog === null) return null;
    return new SpanLog({
      log: runtime.spanEventLog,
      format: runtime.lineFormats.of(this.role),
      facts: {
        ids: this.#ids(),
        attributes,
        trace_flags: traceFlags.toString(16).padStart(2, "0"),
      },
      startMs,
      links,
    });
  }

  /** Has the request kept where it ended slow or failed. */
  #judge({ startMs, endMs }: Interval): void {
    const { runtime: { keeping, requests }, scope: { group } } = this.#parts;
    // What was let go here cannot be whole: nobody need keep the rest.
    if (keeping === null || group.isLost) return;
    const outcome = this.#outcome ?? (this.#hasFailed ? "error" : "success");
    const reason = keeping.policy.judge({ durationMs: endMs - startMs, outcome });
    if (reason === null) return;
    if (!this.isSampled) this.#set({ "trace.kept": reason });
    this.#isKept = true;
    requests.keep(group.key);
    keeping.onKept(group.key);
  }

  #set(attributes: Readonly<Record<string, unknown>>): void {
    if (this.#isEnded) return;
    const { sdkSpan, runtime, scope } = this.#parts;
    const accepted = runtime.guard.accept(this.role, attributes, scope.level);
    const outcome = accepted["request.outcome"];
    if (typeof outcome === "string") this.#outcome = outcome;
    sdkSpan.setAttributes(accepted);
    this.#spanLog?.set(accepted);
  }

  #ids(): LogIds {
    const { parentSpanId, scope, sdkSpan } = this.#parts;
    const tracestate = sdkSpan.spanContext().traceState?.serialize() ?? "";
    return {
      trace_id: this.traceId,
      span_id: this.spanId,
      parent_id: parentSpanId,
      span_name: SPANS[this.role].name,
      tracestate: tracestate === "" ? undefined : redactText(tracestate),
      x_request_id: scope.ids?.xRequestId,
      request_id: scope.ids?.requestId,
    };
  }
}

/** Opens a span below `parent`, or as a local root of its request. */
export function openSpan<R extends SpanRole>(role: R, options: OpenOptions<R>): OpenSpan<R> {
  const { runtime, scope, span, remote, standIn, parent } = options;
  const { name, kind } = SPANS[role];
  const startMs = usableMs(span.startMs);
  const links = span.links ?? [];
  const attributes = runtime.guard.accept(role, span.attributes ?? {}, scope.level);
  if (scope.ids !== null) setIds(attributes, role, scope.ids);
  const context = parent?.context ??
    (remote === undefined ? scope.context : trace.setSpanContext(scope.context, remote));
  const sdkSpan = runtime.tracer.startSpan(name, {
    kind: KINDS[kind],
    startTime: startMs,
    attributes,
    links: links.map(toLink),
  }, context);
  const { spanId } = sdkSpan.spanContext();
  const parentSpanId = parent?.spanId ?? remote?.spanId;
  return new OpenSpan(role, {
    sdkSpan,
    runtime,
    scope,
    startMs,
    attributes,
    links,
    parentSpanId: parentSpanId === spanId ? undefined : parentSpanId,
    parent,
    standIn,
  });
}

/** Now where no time was given, or one that no collector takes: times come from other processes too. */
function usableMs(timeMs: number | undefined): number {
  return timeMs !== undefined && Number.isFinite(timeMs) ? timeMs : epochMs();
}

/** The request's ids, where the role declares them. */
function setIds(attributes: AcceptedAttributes, role: SpanRole, ids: RequestIds): void {
  const declared = SPANS[role].attributes;
  if (Object.hasOwn(declared, "x_request_id")) {
    attributes.x_request_id = redactValue("x_request_id", ids.xRequestId);
  }
  if (Object.hasOwn(declared, "request_id")) attributes.request_id = ids.requestId;
}

/** What the SDK records it can also export. */
function isRecorded(span: Span): span is Span & ReadableSpan {
  return "attributes" in span;
}

function toLink({ traceId, spanId }: SpanReference): Link {
  return { context: { traceId, spanId, traceFlags: TraceFlags.SAMPLED } };
}
