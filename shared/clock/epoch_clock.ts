/**
 * Now, in epoch milliseconds with fractions, from the monotonic clock: never runs backwards within a
 * process, and the same in all of its threads.
 */
export function epochMs(): number {
  return performance.timeOrigin + performance.now();
}
