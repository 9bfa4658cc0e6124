/**
 * When the work in progress of the engine thread began, for a main thread that wonders whether it will
 * ever end: a thread that hangs in its device sends no message, so the time lies in shared memory.
 */

const NONE = 0n;

/** Both sides of one mark: the engine thread sets it, the main thread reads it. */
export class StepMark {
  readonly #startMs: BigInt64Array;

  constructor(readonly buffer = new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT)) {
    this.#startMs = new BigInt64Array(buffer);
  }

  /** @param atMs epoch milliseconds */
  begin(atMs: number): void {
    Atomics.store(this.#startMs, 0, BigInt(Math.round(atMs)));
  }

  end(): void {
    Atomics.store(this.#startMs, 0, NONE);
  }

  /** Epoch milliseconds at which the step in progress began; null between steps. */
  get startedAtMs(): number | null {
    const startMs = Atomics.load(this.#startMs, 0);
    return startMs === NONE ? null : Number(startMs);
  }
}
