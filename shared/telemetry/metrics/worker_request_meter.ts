/** Measures one request of a worker, from its arrival to its end. */

import { observe } from "./exemplar.ts";
import type { WorkerInstruments } from "./worker_instruments.ts";

/** What the prompts of all requests had, and what of it was computed before. */
export interface PromptTotals {
  tokens: number;
  cachedTokens: number;
}

const OUTCOME = /^[a-z_]{1,40}$/;

export class WorkerRequestMeter {
  readonly #instruments: WorkerInstruments;
  readonly #prompts: PromptTotals;
  readonly #startMs = performance.now();
  #hasEnded = false;

  constructor(instruments: WorkerInstruments, prompts: PromptTotals) {
    this.#instruments = instruments;
    this.#prompts = prompts;
    instruments.requests.inc();
    instruments.inflight.inc();
  }

  /** The engine begins with its prompt. */
  prompted({ tokens, cachedTokens }: Readonly<PromptTotals>): void {
    this.#prompts.tokens += tokens;
    this.#prompts.cachedTokens += cachedTokens;
  }

  /** The first token was sent. `traceId` of a trace that is exported becomes the exemplar. */
  firstToken(traceId?: string): void {
    observe(this.#instruments.firstResponse, {}, this.#elapsedSeconds, traceId);
  }

  /** Ends it, once, with `success` or the code of its error. */
  end(outcome: string, traceId?: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const { inflight, duration, cancellations, rejections, errors } = this.#instruments;
    inflight.dec();
    observe(duration, {}, this.#elapsedSeconds, traceId);
    if (outcome === "success") return;
    if (outcome === "cancelled") return cancellations.inc();
    if (outcome === "overloaded") rejections.inc();
    errors.inc({ error_type: OUTCOME.test(outcome) ? outcome : "other" });
  }

  get #elapsedSeconds(): number {
    return (performance.now() - this.#startMs) / 1000;
  }
}
