/** A span as the viewer sees it, from whatever source: log lines, OTLP JSON, Tempo. */

export type SpanKind = "unspecified" | "internal" | "server" | "client" | "producer" | "consumer";
export type SpanStatus = "unset" | "ok" | "error";

type Scalar = string | number | boolean;
export type AttributeValue = Scalar | readonly Scalar[];
export type Attributes = Readonly<Record<string, AttributeValue>>;

export interface SpanEvent {
  readonly name: string;
  readonly timeUs: number;
  readonly attributes: Attributes;
}

export interface SpanLink {
  readonly traceId: string;
  readonly spanId: string;
}

/** Times are microseconds since 1970 by the clock of the process that made the span. */
export interface ViewSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty on a root. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: SpanKind;
  /** `service.name`; the log file's name where the lines do not tell it. */
  readonly service: string;
  /** `service.instance.id`; empty where it is not told. */
  readonly instance: string;
  /** `host.name`; empty where it is not told. */
  readonly host: string;
  readonly startUs: number;
  /** Null while the span is open, and for ever when its process was killed. */
  readonly endUs: number | null;
  readonly status: SpanStatus;
  readonly statusMessage: string;
  readonly attributes: Attributes;
  readonly events: readonly SpanEvent[];
  readonly links: readonly SpanLink[];
  /** Whether it was sent to a collector, as far as its trace's sampled flag decides. */
  readonly isSampled: boolean;
}

/** An attribute that is text; undefined for any other. */
export function textAttribute(span: ViewSpan, name: string): string | undefined {
  const value = Object.hasOwn(span.attributes, name) ? span.attributes[name] : undefined;
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** An attribute that is a number; undefined for any other. */
export function numberAttribute(span: ViewSpan, name: string): number | undefined {
  const value = Object.hasOwn(span.attributes, name) ? span.attributes[name] : undefined;
  return typeof value === "number" ? value : undefined;
}
