/** Traces by Tempo's API: one by its id, a search, and metrics. All reject with the service's own words. */

import { readOtlpJson } from "../../../shared/trace_view/otlp_json.ts";
import type { ViewSpan } from "../../../shared/trace_view/span.ts";
import { fetchJson } from "./backend.ts";
import { asNumber, asRecord, asRecords, asText, type Json } from "./json.ts";

/** Attributes or labels that are text or numbers. */
export type KeyValues = Readonly<Record<string, string | number>>;

/** A span of a found trace, with the attributes that the query names. */
export interface FoundSpan {
  /** Empty where the query does not ask for it. */
  readonly name: string;
  readonly startMs: number;
  readonly durationMs: number;
  readonly attributes: KeyValues;
}

export interface FoundTrace {
  readonly traceId: string;
  readonly rootName: string;
  readonly startMs: number;
  readonly durationMs: number;
  /** Of those that match, the first few. */
  readonly spans: readonly FoundSpan[];
  readonly services: readonly string[];
  readonly errorCount: number;
}

export interface SearchOptions {
  readonly limit: number;
  /** Unix seconds. */
  readonly startSeconds: number;
  readonly endSeconds: number;
  readonly signal: AbortSignal;
}

/** One line of a metrics query. */
export interface MetricSeries {
  readonly labels: KeyValues;
  /** By step; NaN where the query has no value. */
  readonly values: readonly number[];
}

export interface MetricsOptions {
  readonly sinceSeconds: number;
  readonly steps: number;
  readonly signal: AbortSignal;
}

export interface MetricTotal {
  readonly labels: KeyValues;
  readonly value: number;
}

/** A request's own span, and those of its attempts. */
const SPANS_PER_TRACE = 8;

/** Spans of one trace; none while it is not known. */
export async function fetchTrace(traceId: string, signal: AbortSignal): Promise<ViewSpan[]> {
  return readOtlpJson(await fetchJson(`/api/v2/traces/${encodeURIComponent(traceId)}`, signal));
}

/** The last seconds up to now, and what has just begun. */
export function lastSeconds(
  seconds: number,
): Pick<SearchOptions, "startSeconds" | "endSeconds"> {
  const endSeconds = Math.ceil(Date.now() / 1000) + 1;
  return { startSeconds: endSeconds - seconds, endSeconds };
}

/** The newest traces that a TraceQL query finds, newest first. */
export async function searchTraces(q: string, options: SearchOptions): Promise<FoundTrace[]> {
  const parameters = new URLSearchParams({
    q,
    limit: String(options.limit),
    start: String(options.startSeconds),
    end: String(options.endSeconds),
    spss: String(SPANS_PER_TRACE),
  });
  const answer = asRecord(await fetchJson(`/api/search?${parameters}`, options.signal));
  return asRecords(answer.traces).map(foundTrace).sort((a, b) => b.startMs - a.startMs);
}

function foundTrace(trace: Json): FoundTrace {
  const services = Object.entries(asRecord(trace.serviceStats));
  return {
    traceId: asText(trace.traceID).padStart(32, "0"),
    rootName: asText(trace.rootTraceName),
    startMs: asNumber(trace.startTimeUnixNano) / 1e6,
    durationMs: asNumber(trace.durationMs ?? 0),
    spans: asRecords(asRecord(trace.spanSet).spans).map((span) => ({
      name: asText(span.name),
      startMs: asNumber(span.startTimeUnixNano) / 1e6,
      durationMs: asNumber(span.durationNanos ?? 0) / 1e6,
      attributes: readKeyValues(span.attributes),
    })),
    services: services.map(([name]) => name).sort(),
    errorCount: services
      .reduce((sum, [, stats]) => sum + asNumber(asRecord(stats).errorCount ?? 0), 0),
  };
}

/** A metrics query in equal steps up to now. */
export async function queryMetrics(q: string, options: MetricsOptions): Promise<MetricSeries[]> {
  const stepSeconds = Math.max(Math.round(options.sinceSeconds / options.steps), 1);
  const endSeconds = Math.ceil(Date.now() / 1000 / stepSeconds) * stepSeconds;
  const startSeconds = endSeconds - stepSeconds * options.steps;
  const parameters = new URLSearchParams({
    q,
    start: String(startSeconds),
    end: String(endSeconds),
    step: `${stepSeconds}s`,
    exemplars: "0",
  });
  const path = `/api/metrics/query_range?${parameters}`;
  const answer = asRecord(await fetchJson(path, options.signal));
  return asRecords(answer.series).map(({ labels, samples }) => {
    const values = new Array<number>(options.steps).fill(NaN);
    for (const sample of asRecords(samples)) {
      // A sample stands at the end of its step, and there is one more in front.
      const atSeconds = asNumber(sample.timestampMs) / 1000 - startSeconds;
      const step = Math.round(atSeconds / stepSeconds) - 1;
      // Zero is left out of the answer.
      if (step >= 0 && step < values.length) values[step] = asNumber(sample.value ?? 0);
    }
    return { labels: readKeyValues(labels), values };
  });
}

/** A metrics query over the last seconds as a whole. */
export async function queryTotals(
  q: string,
  { sinceSeconds, signal }: Omit<MetricsOptions, "steps">,
): Promise<MetricTotal[]> {
  const endSeconds = Math.ceil(Date.now() / 1000);
  const parameters = new URLSearchParams({
    q,
    start: String(endSeconds - sinceSeconds),
    end: String(endSeconds),
  });
  const answer = asRecord(await fetchJson(`/api/metrics/query?${parameters}`, signal));
  return asRecords(answer.series).map(({ labels, value }) => ({
    labels: readKeyValues(labels),
    value: asNumber(value ?? 0),
  }));
}

/** As Tempo's JSON has them; lists and flags are left out. */
function readKeyValues(value: unknown): KeyValues {
  return Object.fromEntries(
    asRecords(value).flatMap(({ key, value }): [string, string | number][] => {
      const { stringValue, intValue, doubleValue } = asRecord(value);
      if (typeof stringValue === "string") return [[asText(key), stringValue]];
      const number = asNumber(intValue ?? doubleValue);
      return Number.isNaN(number) ? [] : [[asText(key), number]];
    }),
  );
}
