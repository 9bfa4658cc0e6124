/** Which requests are in progress, how many may be, and how they end when the frontend drains. */

import { ApiError } from "../../shared/openai/mod.ts";

export type FrontendStage = "ready" | "draining" | "stopping";

/** `R` is what is known of a request. */
export class Admission<R> {
  readonly #maxInflight: number;
  readonly #active = new Map<AbortController, R>();
  #stage: FrontendStage = "ready";
  #idle: (() => void) | null = null;

  constructor(maxInflight: number) {
    this.#maxInflight = maxInflight;
  }

  get inflight(): number {
    return this.#active.size;
  }

  /** Those in progress, in the order in which they came in. */
  get requests(): MapIterator<R> {
    return this.#active.values();
  }

  get stage(): FrontendStage {
    return this.#stage;
  }

  /** Admits a request; aborting the controller ends it. Throws an ApiError when it must not begin. */
  enter(request: R): AbortController {
    if (this.#stage !== "ready") {
      throw new ApiError(
        "shutting_down",
        "Cannot take the request: this frontend is shutting down",
      );
    }
    if (this.#active.size >= this.#maxInflight) {
      throw new ApiError(
        "overloaded",
        `Cannot take the request: ${this.#maxInflight} are in progress at this frontend`,
      );
    }
    const abort = new AbortController();
    this.#active.set(abort, request);
    return abort;
  }

  leave(abort: AbortController): void {
    this.#active.delete(abort);
    if (this.#active.size === 0) this.#idle?.();
  }

  /** Refuses new requests; resolves when the last one has left, after `timeoutMs` by aborting it. */
  async drain(timeoutMs: number): Promise<void> {
    this.#stage = "draining";
    if (this.#active.size > 0) {
      const idle = new Promise<void>((resolve) => this.#idle = resolve);
      const timer = setTimeout(() => this.#abortAll(), timeoutMs);
      await idle;
      clearTimeout(timer);
    }
    this.#stage = "stopping";
  }

  #abortAll(): void {
    const reason = new ApiError("shutting_down", "Cannot finish: this frontend is shutting down");
    for (const abort of [...this.#active.keys()]) abort.abort(reason);
  }
}
