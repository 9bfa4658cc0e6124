/**
 * Which requests are kept although they were not sampled: the failed ones, and those that took longer
 * than a time or than a multiple of what nearly all requests before them took.
 */

import type { SlowThreshold } from "../telemetry.ts";

export type KeepReason = "failed" | "slow";

export interface RequestEnd {
  readonly durationMs: number;
  /** As `request.outcome` says it: an error is ours, a client that leaves or is refused is none. */
  readonly outcome: string;
}

/** Fewer requests say nothing of a 95th percentile. */
const MIN_SAMPLES = 20;
/** Requests that the percentile is over: the last ones, so that it follows the load. */
const WINDOW = 512;
/** Requests after which it is computed again. */
const REFRESH = 16;

export class KeepPolicy {
  readonly #slowerThan: SlowThreshold | null;
  readonly #p95 = new RunningP95();

  constructor(slowerThan: SlowThreshold | null) {
    this.#slowerThan = slowerThan;
  }

  /**
   * Why the request is kept; null when it is not. Its duration counts for those after it when it was
   * served: many that are refused at once would make all others slow.
   */
  judge({ durationMs, outcome }: RequestEnd): KeepReason | null {
    if (outcome === "error") return "failed";
    const isSlow = durationMs > this.#limitMs();
    if (outcome === "success") this.#p95.add(durationMs);
    return isSlow ? "slow" : null;
  }

  #limitMs(): number {
    if (this.#slowerThan === null) return Infinity;
    return this.#slowerThan.of === "time"
      ? this.#slowerThan.ms
      : this.#slowerThan.factor * this.#p95.value;
  }
}

/** The 95th percentile of the last values; Infinity while there are few. */
class RunningP95 {
  readonly #values: number[] = [];
  #count = 0;
  #value = Infinity;

  get value(): number {
    return this.#value;
  }

  add(value: number): void {
    this.#values[this.#count++ % WINDOW] = value;
    if (this.#count < MIN_SAMPLES || this.#count % REFRESH !== MIN_SAMPLES % REFRESH) return;
    const sorted = Float64Array.from(this.#values).sort();
    this.#value = sorted[Math.ceil(sorted.length * 0.95) - 1] ?? Infinity;
  }
}
