/**
 * Telemetry for tests: keeps every span and log line, and throws where a caller breaks the registry:
 * an unknown attribute, a wrong type, a parent that is not allowed, a required attribute missing.
 */

import { ExportStats } from "../../../shared/telemetry/emit/export_stats.ts";
import {
  attributeSpec,
  isOfType,
  type SpanRole,
  SPANS,
} from "../../../shared/telemetry/registry/mod.ts";
import type {
  ActiveSpan,
  Headers,
  LogFields,
  Logger,
  RequestIds,
  SpanOptions,
  SpanReference,
  Telemetry,
} from "../../../shared/telemetry/telemetry.ts";

export interface LogLine {
  readonly level: keyof Logger;
  readonly message: string;
  readonly fields: LogFields;
}

export class FakeSpan<R extends SpanRole = SpanRole> implements ActiveSpan<R> {
  readonly traceId: string;
  readonly spanId: string;
  readonly isSampled = true;
  readonly isExported = true;
  readonly mayBeKept = false;
  readonly level = 3;
  readonly log: Logger;
  readonly attributes: Record<string, unknown> = {};
  readonly events: { name: string; attributes: Record<string, unknown> }[] = [];
  readonly children: FakeSpan[] = [];
  failure: string | null = null;
  isEnded = false;
  endCount = 0;

  constructor(
    readonly role: R,
    readonly telemetry: FakeTelemetry,
    readonly ids: RequestIds,
    readonly parent: FakeSpan | null,
    traceId: string,
  ) {
    this.traceId = traceId;
    this.spanId = telemetry.nextSpanId();
    this.log = telemetry.log;
    const parents = SPANS[role].parents;
    const name = parent?.role ?? "root";
    if (!parents.includes(name)) throw new Error(`${role} may not be a child of ${name}`);
    telemetry.spans.push(this as unknown as FakeSpan);
  }

  headers(): Headers {
    return {
      traceparent: `00-${this.traceId}-${this.spanId}-01`,
      "x-request-id": this.ids.xRequestId,
      "request-id": this.ids.requestId,
    };
  }

  child<C extends SpanRole>(role: C, options: SpanOptions<C> = {}): ActiveSpan<C> {
    if (this.isEnded) throw new Error(`${role} opened below an ended ${this.role}`);
    const child = new FakeSpan(role, this.telemetry, this.ids, this as FakeSpan, this.traceId);
    this.children.push(child as unknown as FakeSpan);
    child.set({ ...options.attributes } as Record<string, unknown>);
    return child;
  }

  set(attributes: Readonly<Record<string, unknown>>): void {
    for (const [key, value] of Object.entries(attributes)) {
      const spec = attributeSpec(this.role, key);
      if (spec === null) throw new Error(`${this.role} has no attribute ${key}`);
      if (!isOfType(spec, value)) throw new Error(`${this.role}.${key} is not a ${spec.type}`);
      this.attributes[key] = value;
    }
  }

  event(name: string, attributes: Record<string, unknown> = {}): void {
    if (SPANS[this.role].events?.[name] === undefined) {
      throw new Error(`${this.role} has no event ${name}`);
    }
    this.events.push({ name, attributes });
  }

  link(): void {}

  fail(errorType: string): void {
    this.failure = errorType;
  }

  end(): void {
    this.endCount++;
    if (this.isEnded) return;
    this.isEnded = true;
    const open = this.children.find((child) => !child.isEnded);
    if (open !== undefined) throw new Error(`${this.role} ended before its child ${open.role}`);
    for (const [key, spec] of Object.entries(SPANS[this.role].attributes)) {
      const isId = key === "x_request_id" || key === "request_id";
      if (spec.isRequired && !isId && this.failure === null && !(key in this.attributes)) {
        throw new Error(`${this.role} ended without ${key}`);
      }
    }
  }
}

export class FakeTelemetry implements Telemetry {
  readonly spans: FakeSpan[] = [];
  readonly lines: LogLine[] = [];
  readonly exporter = new ExportStats();
  readonly log: Logger = {
    trace: (message, fields = {}) => this.#line("trace", message, fields),
    debug: (message, fields = {}) => this.#line("debug", message, fields),
    info: (message, fields = {}) => this.#line("info", message, fields),
    warn: (message, fields = {}) => this.#line("warn", message, fields),
    error: (message, fields = {}) => this.#line("error", message, fields),
  };
  #spanCount = 0;

  logger(): Logger {
    return this.log;
  }

  serverSpan<R extends SpanRole>(
    role: R,
    headers: Headers,
    ids: RequestIds,
    options: SpanOptions<R> = {},
  ): ActiveSpan<R> {
    const remote = this.reference(headers);
    const traceId = remote?.traceId ?? crypto.randomUUID().replaceAll("-", "");
    const span = new FakeSpan(role, this, ids, null, traceId);
    span.set({ ...options.attributes } as Record<string, unknown>);
    return span;
  }

  rootSpan<R extends SpanRole>(role: R, options: SpanOptions<R> = {}): ActiveSpan<R> {
    return this.serverSpan(role, {}, { xRequestId: "", requestId: "" }, options);
  }

  reference(headers: Headers): SpanReference | null {
    const [, traceId, spanId] = (headers.traceparent ?? "").split("-");
    return traceId && spanId ? { traceId, spanId } : null;
  }

  describe(): void {
    throw new Error("The frontend knows all of its resource at its start");
  }

  keep(): void {}

  onKeep(): void {}

  parentsExported(): void {}

  onParentsExported(): void {}

  lastWords(): Promise<void> {
    return Promise.resolve();
  }

  shutdown(): Promise<void> {
    return Promise.resolve();
  }

  nextSpanId(): string {
    return (++this.#spanCount).toString(16).padStart(16, "0");
  }

  /** Spans of a role, in the order they were opened. */
  of<R extends SpanRole>(role: R): FakeSpan<R>[] {
    return this.spans.filter((span) => span.role === role) as unknown as FakeSpan<R>[];
  }

  /** Messages of end records. */
  endRecords(): LogLine[] {
    return this.lines.filter(({ message }) =>
      ["request completed", "request cancelled", "request rejected"].includes(message)
    );
  }

  #line(level: keyof Logger, message: string, fields: LogFields): void {
    this.lines.push({ level, message, fields });
  }
}
