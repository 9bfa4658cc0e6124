/**
 * How a busy engine thread learns that commands wait for it.
 *
 * Messages reach a Deno worker only when its event loop goes idle: with a `MessageChannel` or
 * `setImmediate` turn between steps they were seen up to 130 steps late (measured, Deno 2.9.6), and a
 * timer's turn, which does let them in, costs 2 ms. So the sender counts its commands in shared memory,
 * and the thread takes timer turns only while it has received fewer than were posted.
 */

/** By default the longest that a busy thread goes without a turn: device events and timers need one. */
const MAX_BUSY_MS = 250;

/** The sender's side. Count a command after it was posted: a post that throws must not be awaited. */
export class CommandCounter {
  readonly buffer = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  readonly #posted = new Int32Array(this.buffer);

  add(): void {
    Atomics.add(this.#posted, 0, 1);
  }
}

/** The receiver's side. */
export class CommandTurns {
  readonly #posted: Int32Array;
  readonly #maxBusyMs: number;
  #received = 0;
  #lastTurnMs = performance.now();

  constructor(buffer: SharedArrayBuffer, options: { readonly maxBusyMs?: number } = {}) {
    this.#posted = new Int32Array(buffer);
    this.#maxBusyMs = options.maxBusyMs ?? MAX_BUSY_MS;
  }

  /** Counts a command that arrived, which shows that the event loop had a turn. */
  received(): void {
    this.#received = (this.#received + 1) | 0;
    this.#lastTurnMs = performance.now();
  }

  /** Resolves when every command that was posted before the call has been received. */
  async take(): Promise<void> {
    const isDue = performance.now() - this.#lastTurnMs > this.#maxBusyMs;
    if (!isDue && !this.#isBehind()) return;
    do await new Promise((resolve) => setTimeout(resolve, 0)); while (this.#isBehind());
    this.#lastTurnMs = performance.now();
  }

  /** The difference is taken modulo 2^32, as the counts wrap. */
  #isBehind(): boolean {
    return ((Atomics.load(this.#posted, 0) - this.#received) | 0) > 0;
  }
}
