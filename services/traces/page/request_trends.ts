/** How the requests of the list went over time: their rate, their failures, and their slowest. */

import { formatDuration } from "../../../shared/trace_view/format.ts";
import { type MetricSeries, queryMetrics } from "./trace_queries.ts";
import { h } from "./dom.ts";
import { sparkline, type SparklineOptions } from "./sparkline.ts";

const STEPS = 60;
const FAILED: ReadonlySet<unknown> = new Set(["error", "rejected"]);
const SECOND_US = 1e6;

export interface RequestTrends {
  readonly element: HTMLElement;
  /** Draws the trends of a spanset; null has none. Never rejects. */
  show(spanset: string | null, period: { readonly sinceSeconds: number }): Promise<void>;
}

export function requestTrends(signal: AbortSignal): RequestTrends {
  const element = h("div.trends");
  return {
    element,
    async show(spanset, { sinceSeconds }) {
      if (spanset === null) return element.replaceChildren();
      const query = (stage: string) =>
        queryMetrics(`${spanset} | ${stage}`, { sinceSeconds, steps: STEPS, signal });
      try {
        const [rates, durations, firstTokens] = await Promise.all([
          query("rate() by (span.request.outcome)"),
          query("quantile_over_time(duration, .95)"),
          query("quantile_over_time(span.ttft_ms, .95)"),
        ]);
        const lines = trendLines({ rates, durations, firstTokens });
        element.replaceChildren(...lines.map(sparkline));
      } catch {
        if (signal.aborted) return;
        // The list says what is wrong with the query.
        element.replaceChildren(h("p.hint", ["The trace store gives no figures over time."]));
      }
    },
  };
}

interface TrendSeries {
  readonly rates: readonly MetricSeries[];
  readonly durations: readonly MetricSeries[];
  readonly firstTokens: readonly MetricSeries[];
}

/** The lines to draw. Quantiles come from buckets that double, so they are no more than near. */
export function trendLines(
  { rates, durations, firstTokens }: TrendSeries,
): SparklineOptions[] {
  const failed = rates.filter(({ labels }) => FAILED.has(labels["span.request.outcome"]));
  return [
    { label: "Requests", values: sums(rates), format: formatRate },
    { label: "Failed", values: sums(failed), format: formatRate, isBad: true },
    {
      label: "Duration p95",
      values: quantiles(durations),
      format: (seconds) => `≈ ${formatDuration(seconds * SECOND_US)}`,
    },
    {
      label: "First token p95",
      values: quantiles(firstTokens),
      format: (ms) => `≈ ${formatDuration(ms * 1000)}`,
    },
  ];
}

/** A quantile of nothing is zero: a gap in the line. */
function quantiles([series]: readonly MetricSeries[]): number[] {
  return (series?.values ?? []).map((value) => value === 0 ? NaN : value);
}

/** By step; a series without a value adds nothing, and without any series all is zero. */
function sums(series: readonly MetricSeries[]): number[] {
  return Array.from(
    { length: STEPS },
    (_, step) => series.reduce((sum, { values }) => sum + (values[step] || 0), 0),
  );
}

/** Of events by the second; slow ones by the minute. */
export function formatRate(perSecond: number): string {
  if (perSecond === 0) return "0/s";
  if (perSecond >= 1) return `${perSecond.toFixed(perSecond < 10 ? 1 : 0)}/s`;
  return `${(perSecond * 60).toFixed(perSecond * 60 < 10 ? 1 : 0)}/min`;
}
