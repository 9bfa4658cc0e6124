/** How the requests of the list went over time: their rate, their failures, and their slowest. */

import { formatDuration } from "../../../shared/trace_view/format.ts";
import { type MetricSeries, queryMetrics } from "./trace_queries.ts";
import { h } from "./dom.ts";
import { sparkline, type SparklineOptions } from "./sparkline.ts";

const STEPS = 60;
const SECOND_US = 1e6;

interface Trend extends Pick<SparklineOptions, "label" | "format" | "isBad"> {
  /** Narrows the spanset. */
  readonly filter?: string;
  /** What the query measures. */
  readonly stage: string;
  /** Where nothing happened it is not known, and not zero. */
  readonly isQuantile?: boolean;
}

/** Quantiles come from buckets that double, so they are no more than near. */
const TRENDS: readonly Trend[] = [
  { label: "Requests", stage: "rate()", format: formatRate },
  {
    label: "Errors",
    filter: "{ status = error }",
    stage: "rate()",
    format: formatRate,
    isBad: true,
  },
  {
    label: "Duration p95",
    stage: "quantile_over_time(duration, .95)",
    format: (seconds) => `≈ ${formatDuration(seconds * SECOND_US)}`,
    isQuantile: true,
  },
  {
    label: "First token p95",
    stage: "quantile_over_time(span.ttft_ms, .95)",
    format: (ms) => `≈ ${formatDuration(ms * 1000)}`,
    isQuantile: true,
  },
];

export interface RequestTrends {
  readonly element: HTMLElement;
  /** Draws the trends of a spanset; null has none. Never rejects. */
  show(spanset: string | null, period: { readonly sinceSeconds: number }): Promise<void>;
}

export function requestTrends(signal: AbortSignal): RequestTrends {
  const element = h("div.trends");
  let newest = 0;
  return {
    element,
    async show(spanset, { sinceSeconds }) {
      const own = ++newest;
      if (spanset === null) return element.replaceChildren();
      const lines = await Promise.all(TRENDS.map(async (trend) => {
        try {
          const q = trendQuery(spanset, trend);
          const series = await queryMetrics(q, { sinceSeconds, steps: STEPS, signal });
          return sparkline({ ...trend, values: trendValues(series, trend) });
        } catch {
          // The list says what is wrong with a query; a store may know no such metric.
          return h("p.hint", [`${trend.label}: the trace store does not tell`]);
        }
      }));
      if (!signal.aborted && own === newest) element.replaceChildren(...lines);
    },
  };
}

function trendQuery(spanset: string, { filter, stage }: Trend): string {
  return `${spanset} | ${filter === undefined ? "" : `${filter} | `}${stage}`;
}

/** By step. Without any series nothing happened. */
export function trendValues(
  series: readonly MetricSeries[],
  { isQuantile = false }: Pick<Trend, "isQuantile">,
): number[] {
  const unknown = isQuantile ? NaN : 0;
  return Array.from({ length: STEPS }, (_, step) => series[0]?.values[step] || unknown);
}

/** Of events by the second; slow ones by the minute. */
export function formatRate(perSecond: number): string {
  if (perSecond === 0) return "0/s";
  if (perSecond >= 1) return `${perSecond.toFixed(perSecond < 10 ? 1 : 0)}/s`;
  return `${(perSecond * 60).toFixed(perSecond * 60 < 10 ? 1 : 0)}/min`;
}
