/** Answers in Tempo's JSON: 64-bit numbers as strings, and what is zero left out. */

import type { FoundSpanset, FoundTrace, SearchResult } from "../../shared/trace_store/mod.ts";
import { type Series, type Static, staticText, staticToJson } from "../../shared/traceql/mod.ts";

type Json = Record<string, unknown>;

const NO_ROOT = "<root span not yet received>";

export interface SearchShape {
  /** The older form of a search shows no spans. */
  readonly isLogfmt: boolean;
}

export function searchAnswer(result: SearchResult, shape: SearchShape): Json {
  return {
    traces: result.traces.map((trace) => foundTrace(trace, shape)),
    metrics: {
      ...(shape.isLogfmt ? nonZero({ inspectedTraces: result.inspectedTraces }) : {}),
      inspectedBytes: String(result.inspectedBytes),
      completedJobs: 1,
      totalJobs: 1,
    },
  };
}

function foundTrace(trace: FoundTrace, { isLogfmt }: SearchShape): Json {
  const spansets = trace.spansets.map(foundSpanset);
  return {
    traceID: trace.traceId.replace(/^0+/, ""),
    rootServiceName: trace.root?.serviceName ?? NO_ROOT,
    ...(trace.root === null ? {} : nonEmpty({ rootTraceName: trace.root.name })),
    startTimeUnixNano: String(trace.startNs),
    ...nonZero({ durationMs: Math.floor(trace.durationNs / 1e6) }),
    ...(isLogfmt ? {} : {
      spanSet: spansets[0],
      spanSets: spansets,
      serviceStats: Object.fromEntries(
        trace.services.map(({ name, spanCount, errorCount }) => [
          name,
          { spanCount, ...nonZero({ errorCount }) },
        ]),
      ),
    }),
  };
}

function foundSpanset(spanset: FoundSpanset): Json {
  return {
    spans: spanset.spans.map((span) => ({
      spanID: span.spanId,
      ...nonEmpty({ name: span.name ?? "" }),
      startTimeUnixNano: String(span.startNs),
      durationNanos: String(span.durationNs),
      ...attributes(span.attributes),
    })),
    matched: spanset.matched,
    ...attributes(spanset.attributes),
  };
}

function attributes(list: readonly (readonly [string, Static])[]): Json {
  return list.length === 0 ? {} : { attributes: keyValues(list) };
}

function keyValues(list: readonly (readonly [string, Static])[]): Json[] {
  return list.map(([key, value]) => ({ key, value: staticToJson(value) }));
}

/** `timesMs` are those of the intervals; an instant query has none. */
export function metricsAnswer(series: readonly Series[], timesMs: readonly number[] | null): Json {
  return {
    series: series.flatMap((one) =>
      timesMs === null ? instantSeries(one) : rangeSeries(one, timesMs)
    ),
    metrics: { completedJobs: 1, totalJobs: 1 },
  };
}

function rangeSeries(series: Series, timesMs: readonly number[]): Json[] {
  const samples = timesMs.flatMap((timeMs, interval) => {
    const value = series.values[interval];
    return Number.isNaN(value) ? [] : [{ timestampMs: String(timeMs), ...nonZero({ value }) }];
  });
  if (samples.length === 0) return [];
  const exemplars = series.exemplars.map(({ labels, value, timeMs }) => ({
    labels: keyValues(labels),
    ...nonZero({ value }),
    timestampMs: String(timeMs),
  }));
  const shownExemplars = exemplars.length === 0 ? {} : { exemplars };
  return [{ labels: keyValues(series.labels), samples, ...shownExemplars }];
}

function instantSeries({ labels, values }: Series): Json[] {
  const [value] = values;
  return Number.isNaN(value) ? [] : [{ labels: keyValues(labels), ...nonZero({ value }) }];
}

/** A value with its type, as `/api/v2/search/tag/…/values` gives it. */
export function typedValue(value: Static): { type: string; value: string } {
  const isKeyword = value.type === "kind" || value.type === "status";
  return { type: isKeyword ? "keyword" : value.type, value: staticText(value) };
}

function nonZero<T extends Record<string, number>>(fields: T): Partial<T> {
  return onlyIf(fields, (value) => value !== 0);
}

function nonEmpty<T extends Record<string, string>>(fields: T): Partial<T> {
  return onlyIf(fields, (value) => value !== "");
}

function onlyIf<T extends Record<string, number | string>>(
  fields: T,
  isShown: (value: number | string) => boolean,
): Partial<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => isShown(value)),
  ) as Partial<T>;
}
