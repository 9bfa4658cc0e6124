/** Lets other queries run between the steps of a long one, and ends one that takes too long. */

import { setImmediate } from "node:timers";

/** A query was not done within its time. */
export class QueryTimeoutError extends Error {
  override name = "QueryTimeoutError";
}

const SLICE_MS = 8;

export class WorkSlice {
  readonly #deadlineMs: number;
  readonly #timeoutMs: number;
  #sliceEndMs: number;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#deadlineMs = performance.now() + timeoutMs;
    this.#sliceEndMs = performance.now() + SLICE_MS;
  }

  /** Call between steps. Throws a QueryTimeoutError. */
  async pause(): Promise<void> {
    const nowMs = performance.now();
    if (nowMs < this.#sliceEndMs) return;
    if (nowMs > this.#deadlineMs) {
      throw new QueryTimeoutError(
        `the query took longer than ${this.#timeoutMs / 1000} s; ` +
          "narrow its time range or its conditions",
      );
    }
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#sliceEndMs = performance.now() + SLICE_MS;
  }
}
