/**
 * What a closed span says of its time in the log: idle while at least one of its child spans of this
 * process was open, busy otherwise. Both add up to the duration.
 */

export interface Interval {
  readonly startMs: number;
  readonly endMs: number;
}

/** Milliseconds of `span` that `children` cover; they may overlap and reach beyond it. */
export function coveredMs(span: Interval, children: readonly Interval[]): number {
  let coveredUntilMs = span.startMs;
  let covered = 0;
  for (const child of [...children].sort((a, b) => a.startMs - b.startMs)) {
    const fromMs = Math.max(child.startMs, coveredUntilMs);
    const untilMs = Math.min(child.endMs, span.endMs);
    if (untilMs <= fromMs) continue;
    covered += untilMs - fromMs;
    coveredUntilMs = untilMs;
  }
  return covered;
}
