/** Statistics of the gaps between tokens. */

export interface GapStatistics {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly meanMs: number;
}

/** Percentiles (nearest rank) of the differences of consecutive times; null below two times. */
export function gapStatistics(timesMs: readonly number[]): GapStatistics | null {
  if (timesMs.length < 2) return null;
  const gaps = timesMs.slice(1).map((time, i) => time - (timesMs[i] ?? time)).sort((a, b) => a - b);
  const rank = (share: number) => gaps[Math.max(0, Math.ceil(share * gaps.length) - 1)] ?? 0;
  return {
    p50Ms: rank(0.5),
    p99Ms: rank(0.99),
    maxMs: rank(1),
    meanMs: gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length,
  };
}
