/** The middle of a list of numbers; NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] ?? NaN;
  return ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

/** The smallest value that `share` (0 to 1) of the list does not exceed; NaN for none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}

export interface Interval {
  readonly low: number;
  readonly high: number;
}

const RESAMPLES = 2000;

/** The interval that covers the median with 95 % confidence, by bootstrap; the same for the same list. */
export function medianInterval(values: readonly number[]): Interval {
  const random = pseudoRandom();
  const medians = Array.from({ length: RESAMPLES }, () => {
    return median(values.map(() => values[Math.floor(random() * values.length)] ?? NaN));
  });
  return { low: percentile(medians, 0.025), high: percentile(medians, 0.975) };
}

/** Numbers in [0, 1): mulberry32. */
function pseudoRandom(): () => number {
  let state = 1;
  return () => {
    state = state + 0x6d2b79f5 | 0;
    let mixed = Math.imul(state ^ state >>> 15, 1 | state);
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32;
  };
}

/** Three significant digits without exponent, for tables. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US");
  return Number(value.toPrecision(3)).toString();
}
