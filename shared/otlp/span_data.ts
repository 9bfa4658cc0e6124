/** Spans as the store reads them from OTLP. Ids are lower-case hex; times are Unix nanoseconds. */

import type { Attribute } from "./value.ts";

export interface ResourceData {
  readonly attributes: readonly Attribute[];
  /** Attribute `service.name`, empty without one. */
  readonly serviceName: string;
}

export interface ScopeData {
  readonly name: string;
  readonly version: string;
  readonly attributes: readonly Attribute[];
}

export interface EventData {
  readonly timeNs: bigint;
  readonly name: string;
  readonly attributes: readonly Attribute[];
}

export interface LinkData {
  readonly traceId: string;
  readonly spanId: string;
  readonly attributes: readonly Attribute[];
}

/** By OTLP's number. */
export const SPAN_KINDS = [
  "unspecified",
  "internal",
  "server",
  "client",
  "producer",
  "consumer",
] as const;
export type SpanKind = (typeof SPAN_KINDS)[number];

/** By OTLP's number. */
export const SPAN_STATUSES = ["unset", "ok", "error"] as const;
export type SpanStatus = (typeof SPAN_STATUSES)[number];

export interface SpanData {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty on a root. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: SpanKind;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly status: SpanStatus;
  readonly statusMessage: string;
  readonly attributes: readonly Attribute[];
  readonly events: readonly EventData[];
  readonly links: readonly LinkData[];
  readonly resource: ResourceData;
  readonly scope: ScopeData;
}

/** Never negative: a span that ends before it starts has no duration. */
export function durationNs(span: SpanData): number {
  return span.endNs > span.startNs ? Number(span.endNs - span.startNs) : 0;
}
