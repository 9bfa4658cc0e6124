/** Aborts when `restart` was not called for a while, when the outer signal aborts, and at `end`. */
export class IdleSignal {
  readonly signal: AbortSignal;
  isExpired = false;
  #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly timeoutMs: number, outer: AbortSignal | undefined) {
    this.signal = outer
      ? AbortSignal.any([outer, this.#controller.signal])
      : this.#controller.signal;
    this.restart();
  }

  restart(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.isExpired = true;
      this.#controller.abort(new Error("No byte arrived in time"));
    }, this.timeoutMs);
  }

  /** Stops the clock and whatever still uses the signal. */
  end(): void {
    clearTimeout(this.#timer);
    this.#controller.abort(new Error("The attempt is over"));
  }
}
