/**
 * What the frontend asks of a worker, and what the worker answers.
 *
 * One request message serves the three phases; the worker answers with a stream of frames. Payloads
 * are msgpack; trace context, request ids and the deadline travel in NATS headers, never here.
 */

/** Sampling parameters after defaults were applied. `temperature` 0 means greedy. */
export interface Sampling {
  readonly temperature: number;
  /** Keep the k likeliest tokens; 0 keeps all. */
  readonly topK: number;
  /** Keep the smallest set of tokens whose probability reaches this; 1 keeps all. */
  readonly topP: number;
  /** A safe integer of any sign. The same seed gives the same text on every topology. */
  readonly seed: number;
}

/**
 * - `prefill`: compute the prompt, sample the first token, send the KV blocks over the transfer.
 * - `decode`: wait for the transfer's KV blocks and first token, generate the rest.
 * - `aggregate`: do both here.
 */
export type Phase = "prefill" | "decode" | "aggregate";

export interface WorkRequest {
  readonly phase: Phase;
  readonly requestId: string;
  /** Counts from 1; a retry or migration increments it. */
  readonly attempt: number;
  readonly model: string;
  /** Prompt token ids; in a replay, the prompt and the tokens generated so far. */
  readonly promptTokens: readonly number[];
  readonly sampling: Sampling;
  /** Tokens that may still be generated, at least 1. */
  readonly maxTokens: number;
  /** Token ids that end the text; they are reported and not part of the text. */
  readonly stopTokenIds: readonly number[];
  /** The transfer that joins a prefill and a decode request; present in these two phases. */
  readonly transferId?: string;
}

export type FinishReason = "stop" | "length";

/** Times of one phase inside a worker, epoch milliseconds with fractions. */
export interface PhaseTimings {
  readonly receivedAtMs: number;
  readonly scheduledAtMs?: number;
  readonly firstTokenAtMs?: number;
  readonly kvTransferMs?: number;
  readonly endAtMs: number;
}

export interface WorkUsage {
  readonly promptTokens: number;
  /** Prompt tokens whose KV came from the prefix cache. */
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

/** Frames of the reply stream. Exactly one `end` closes a stream that did not fail. */
export type WorkFrame =
  | { readonly kind: "accepted"; readonly instanceId: string; readonly queueDepth: number }
  | { readonly kind: "scheduled"; readonly cachedTokens: number }
  /**
   * `index` is the place of the first id of `ids` in the completion of this request, from 0; `step` is
   * the number of the worker's engine step that made them, from 0 at the worker's start.
   */
  | {
    readonly kind: "tokens";
    readonly index: number;
    readonly ids: readonly number[];
    readonly step: number;
  }
  | {
    readonly kind: "end";
    readonly finishReason: FinishReason | "handed_off";
    readonly usage: WorkUsage;
    readonly timings: PhaseTimings;
  };

/** Why a worker could not serve a request: the code travels in the stream's error frame. */
export type WorkErrorCode =
  /** The queue is full; another instance, or the client later, may try again. */
  | "overloaded"
  /** The prompt and its answer do not fit in this worker's KV cache or context. */
  | "too_long"
  /** The worker is draining. */
  | "draining"
  /** The KV transfer did not arrive, or arrived damaged. */
  | "transfer_failed"
  /** The device or the engine thread failed. */
  | "engine_failed"
  /** The request message itself is wrong. */
  | "bad_request"
  /** Anything else: the worker is at fault. */
  | "internal"
  | "cancelled"
  | "deadline_exceeded";
