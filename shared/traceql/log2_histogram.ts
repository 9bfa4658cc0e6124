/** Histograms with a bucket for each power of two, and quantiles of them, as Tempo computes them. */

/** The least power of two that is not below the value; 0 for what is not positive. */
export function log2Bucket(value: number): number {
  if (!(value > 0)) return 0;
  if (value === Infinity) return Infinity;
  const bucket = 2 ** Math.ceil(Math.log2(value));
  // The logarithm may be off by its last bit.
  if (bucket < value) return bucket * 2;
  return bucket / 2 >= value ? bucket / 2 : bucket;
}

/** The quantile of counts by upper bound; between two bounds it grows exponentially. 0 of nothing. */
export function log2Quantile(quantile: number, counts: ReadonlyMap<number, number>): number {
  const buckets = [...counts].sort(([a], [b]) => a - b);
  const total = buckets.reduce((sum, [, count]) => sum + count, 0);
  const wanted = Math.max(1, Math.ceil(quantile * total));
  let passed = 0;
  let below: number | undefined;
  for (const [bound, count] of buckets) {
    if (passed + count === wanted) return bound;
    if (passed + count > wanted) {
      if (bound <= 0 || bound === Infinity) return bound;
      const high = Math.log2(bound);
      const low = below === undefined || below <= 0 ? high - 1 : Math.log2(below);
      return 2 ** (low + (high - low) * (wanted - passed) / count);
    }
    passed += count;
    below = bound;
  }
  return 0;
}
