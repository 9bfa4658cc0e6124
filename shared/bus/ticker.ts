/** What a liveness check needs of a Ticker. */
export interface TickSource {
  /** Ticks that cover `durationMs`, at least one. */
  ticksOf(durationMs: number): number;
  /** Calls `listener` at every tick until the returned function is called. */
  add(listener: () => void): () => void;
}

/**
 * The one clock of every liveness check: silence is counted in ticks, never in elapsed time.
 *
 * A process whose event loop stalls (a long garbage collection, a suspended host) cannot read what
 * its peers sent meanwhile. Measured by the clock they would all look dead when it wakes; a missed
 * interval fires once, so by ticks the stall counts as one, and the waiting messages are read next.
 */
export class Ticker implements TickSource {
  readonly intervalMs: number;
  readonly #listeners = new Set<() => void>();
  #timer?: ReturnType<typeof setInterval>;

  constructor(intervalMs: number) {
    this.intervalMs = intervalMs;
  }

  ticksOf(durationMs: number): number {
    return Math.max(1, Math.ceil(durationMs / this.intervalMs));
  }

  add(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#timer ??= setInterval(() => this.#tick(), this.intervalMs);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  /** Ends all ticking. */
  stop(): void {
    this.#listeners.clear();
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
