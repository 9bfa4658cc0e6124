/** Measures one request of the frontend, from its arrival to its end. */

import type { Counter, Histogram } from "prom-client";
import { observe } from "./exemplar.ts";
import type { FrontendInstruments } from "./frontend_instruments.ts";

export type FrontendEndpoint = "chat_completions" | "completions";
export type RequestType = "stream" | "unary";
/** Dynamo's error types; empty for success. */
export type FrontendErrorType =
  | ""
  | "validation"
  | "not_found"
  | "overload"
  | "unavailable"
  | "cancelled"
  | "response_timeout"
  | "internal";

/** What a model that is not served is called: no label holds a client's text. */
export const UNKNOWN_MODEL = "unknown_model";

export interface RequestLabels {
  /** As the request names it; a model that is not served counts as UNKNOWN_MODEL. */
  readonly model: string;
  readonly endpoint: FrontendEndpoint;
  readonly requestType: RequestType;
}

/** What a client waits for, one after the other; a stage that did not come about has no time. */
export type MeteredStage =
  | "preprocess"
  | "route"
  | "dispatch"
  | "queue"
  | "prefill"
  | "kv_transfer"
  | "decode";

export interface RequestEnd {
  readonly errorType: FrontendErrorType;
  /** No worker took the request, and it may come again. */
  readonly isRejected: boolean;
  readonly durationMs: number;
  readonly stagesMs: ReadonlyMap<MeteredStage, number>;
  /** Left out when the request never got as far. */
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly cachedTokens?: number;
  /** Of a trace that is exported: becomes the exemplar of what is observed here. */
  readonly traceId?: string;
}

export class RequestMeter {
  readonly #instruments: FrontendInstruments;
  readonly #labels: RequestLabels;
  readonly #model: { readonly model: string };
  /** Without exemplars, as it is used for every token. */
  readonly #itl: Histogram.Internal<"model">;
  readonly #outputTokens: Counter.Internal;
  #maxItlMs: number | null = null;
  #isEnded = false;

  constructor(instruments: FrontendInstruments, labels: RequestLabels) {
    const { model, endpoint, requestType } = labels;
    this.#instruments = instruments;
    this.#labels = labels;
    this.#model = { model };
    this.#itl = instruments.itl.labels(model);
    this.#outputTokens = instruments.outputTokensTotal.labels(model);
    instruments.started.inc({ model, endpoint, request_type: requestType });
    instruments.active.inc(this.#model);
    instruments.inflight.inc(this.#model);
  }

  /** Absent times are of what the prompt had no use of; `traceId` as in `firstToken`. */
  preprocessed(
    { templateMs, tokenizeMs }: { readonly templateMs?: number; readonly tokenizeMs?: number },
    traceId?: string,
  ): void {
    const { template, tokenize } = this.#instruments;
    if (templateMs !== undefined) observe(template, this.#model, templateMs / 1000, traceId);
    if (tokenizeMs !== undefined) observe(tokenize, this.#model, tokenizeMs / 1000, traceId);
  }

  /** `traceId` of a trace that is exported becomes the exemplar. */
  firstToken(ttftMs: number, traceId?: string): void {
    observe(this.#instruments.ttft, this.#model, ttftMs / 1000, traceId);
    this.#outputTokens.inc();
  }

  /** Tokens after the first, and the time that each took since the one before. */
  nextTokens(count: number, itlMs: number): void {
    if (count === 0) return;
    this.#outputTokens.inc(count);
    const max = this.#maxItlMs;
    this.#maxItlMs = max === null ? itlMs : Math.max(max, itlMs);
    // The largest gap waits for the end, where its trace is known to be worth a look.
    if (max !== null) this.#itl.observe(Math.min(max, itlMs) / 1000);
    for (let more = 1; more < count; more++) this.#itl.observe(itlMs / 1000);
  }

  /** Another attempt follows one that failed. */
  migrated(isOngoing: boolean): void {
    this.#instruments.migrations.inc({
      ...this.#model,
      migration_type: isOngoing ? "ongoing_request" : "new_request",
    });
  }

  /** Ends it; ending twice is harmless. */
  end(end: RequestEnd): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#count(end);
    const { duration, itl, stages, inputTokens, outputTokens, cachedTokens } = this.#instruments;
    const { traceId } = end;
    observe(duration, this.#model, end.durationMs / 1000, traceId);
    if (this.#maxItlMs !== null) observe(itl, this.#model, this.#maxItlMs / 1000, traceId);
    for (const [stage, ms] of end.stagesMs) observe(stages, { stage }, ms / 1000, traceId);
    const counts = [
      [inputTokens, end.inputTokens],
      [outputTokens, end.outputTokens],
      [cachedTokens, end.cachedTokens],
    ] as const;
    for (const [histogram, count] of counts) {
      if (count !== undefined) observe(histogram, this.#model, count, traceId);
    }
  }

  #count({ errorType, isRejected }: RequestEnd): void {
    const { active, inflight, requests, cancellations, rejections } = this.#instruments;
    const { model, endpoint, requestType: request_type } = this.#labels;
    active.dec({ model });
    inflight.dec({ model });
    const status = errorType === "" ? "success" : "error";
    requests.inc({ model, endpoint, request_type, status, error_type: errorType });
    if (errorType === "cancelled") cancellations.inc({ model, endpoint, request_type });
    if (isRejected) rejections.inc({ model, endpoint });
  }
}
