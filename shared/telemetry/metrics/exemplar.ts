/** Exemplars: the trace behind an observation, on OpenMetrics pages. */

import type { ActiveSpan } from "../telemetry.ts";

/** A histogram made with `enableExemplars`. */
export interface ExemplarHistogram<L> {
  observe(data: { labels: L; value: number; exemplarLabels: Record<string, string> }): void;
}

/** The trace that a metric may name: only one that is exported is worth pointing at. */
export function exemplarOf(
  { isExported, traceId }: Pick<ActiveSpan, "isExported" | "traceId">,
): string | undefined {
  return isExported ? traceId : undefined;
}

const NO_EXEMPLAR: Record<string, string> = {};

/** Observes a value; `traceId`, of a trace that is exported, becomes its bucket's exemplar. */
export function observe<L>(
  histogram: ExemplarHistogram<L>,
  labels: L,
  value: number,
  traceId?: string,
): void {
  const exemplarLabels = traceId === undefined ? NO_EXEMPLAR : { trace_id: traceId };
  histogram.observe({ labels, value, exemplarLabels });
}
