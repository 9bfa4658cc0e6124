/**
 * Lets other queries run between the steps of a long one, and ends one that nobody waits for any more.
 *
 * Queries that take turns get them one by one: what is answered at once waits for one slice, however many
 * there are.
 */

import { setImmediate } from "node:timers";

/** A query was not done within its time. */
export class QueryTimeoutError extends Error {
  override name = "QueryTimeoutError";
}

/** Whoever asked does not want the answer any more. */
export class QueryCancelledError extends Error {
  override name = "QueryCancelledError";

  constructor() {
    super("nobody waits for the answer any more");
  }
}

const SLICE_MS = 8;

let lastTurn = Promise.resolve();

/** Messages to the thread are seen between two turns. */
function nextTurn(): Promise<void> {
  lastTurn = lastTurn.then(() => new Promise((resolve) => setImmediate(resolve)));
  return lastTurn;
}

export class WorkSlice {
  readonly #deadlineMs: number;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  #sliceEndMs = 0;

  constructor(timeoutMs: number, signal?: AbortSignal) {
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
    this.#deadlineMs = performance.now() + timeoutMs;
  }

  /** Call before the first step and between steps. Throws a QueryTimeoutError or a QueryCancelledError. */
  async pause(): Promise<void> {
    const nowMs = performance.now();
    if (nowMs < this.#sliceEndMs) return;
    if (nowMs > this.#deadlineMs) {
      throw new QueryTimeoutError(
        `the query took longer than ${this.#timeoutMs / 1000} s; ` +
          "narrow its time range or its conditions",
      );
    }
    await nextTurn();
    if (this.#signal?.aborted) {
      throw new QueryCancelledError();
    }
    this.#sliceEndMs = performance.now() + SLICE_MS;
  }
}
