/** Exemplars: the trace behind an observation, on OpenMetrics pages. */

/** A histogram made with `enableExemplars`. */
export interface ExemplarHistogram<L> {
  observe(data: { labels: L; value: number; exemplarLabels: Record<string, string> }): void;
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
