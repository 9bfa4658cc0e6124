/** Statistics of the gaps between tokens. */

export interface GapStatistics {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Percentiles (nearest rank); null where there is no gap. */
export function gapStatistics(gapsMs: readonly number[]): GapStatistics | null {
  if (gapsMs.length === 0) return null;
  // Many answers may end at once: typed arrays sort numbers several times as fast.
  const sorted = Float64Array.from(gapsMs).sort();
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { p50Ms: rank(0.5), p99Ms: rank(0.99), maxMs: rank(1) };
}
