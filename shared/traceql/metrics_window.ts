/** The time that a metrics query covers, cut into steps. Times are Unix nanoseconds. */

export interface MetricsRange {
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** Null for an instant query: one value for the whole range. */
  readonly stepNs: bigint | null;
}

/**
 * A range in steps: aligned to multiples of the step, with one more in front, as Tempo aligns it. A
 * step ends with its time and starts after the end of the one before.
 */
export class MetricsWindow {
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly isInstant: boolean;
  readonly intervals: number;
  readonly stepSeconds: number;
  readonly #stepNs: bigint;

  constructor({ startNs, endNs, stepNs }: MetricsRange) {
    this.isInstant = stepNs === null;
    if (stepNs === null) {
      this.startNs = startNs;
      this.endNs = endNs;
      this.#stepNs = endNs - startNs;
      this.intervals = 1;
    } else {
      const firstNs = startNs - startNs % stepNs;
      const over = endNs % stepNs;
      this.startNs = firstNs > stepNs ? firstNs - stepNs : firstNs;
      this.endNs = over === 0n ? endNs : endNs + stepNs - over;
      this.#stepNs = stepNs;
      this.intervals = Number((this.endNs - this.startNs) / stepNs);
    }
    this.stepSeconds = Number(this.#stepNs) / 1e9;
  }

  /** Of a time `offsetNs` after the start; -1 outside of the window. */
  intervalAt(offsetNs: number): number {
    if (this.isInstant) return offsetNs >= 0 && offsetNs <= Number(this.#stepNs) ? 0 : -1;
    const interval = Math.ceil(offsetNs / Number(this.#stepNs)) - 1;
    return interval >= 0 && interval < this.intervals ? interval : -1;
  }

  /** Unix milliseconds of the end of a step. */
  timeMs(interval: number): number {
    return Number((this.startNs + BigInt(interval + 1) * this.#stepNs) / 1_000_000n);
  }
}
