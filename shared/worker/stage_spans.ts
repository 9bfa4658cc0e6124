/**
 * The stage spans of one sequence under its `handle_payload` span.
 *
 * One stage is open at a time: queue, then prefill (or the wait for KV), then decode. However the
 * sequence ends, the open stage ends with it, so no span is left behind.
 */

import type { EngineLoad, SequenceEvent, SequenceKind } from "../engine/engine.ts";
import type { ActiveSpan, SpanReference } from "../telemetry/telemetry.ts";
import { gapStatistics } from "./gap_statistics.ts";
import { blocksOf } from "./kv_receiver.ts";

type ChunkEvent = Extract<SequenceEvent, { type: "chunk" }>;
type TokenEvent = Extract<SequenceEvent, { type: "token" }>;
type StageSpan =
  | ActiveSpan<"engine_queue">
  | ActiveSpan<"engine_prefill">
  | ActiveSpan<"kv_wait">
  | ActiveSpan<"engine_decode">;

export interface StageSpansOptions {
  readonly kind: SequenceKind;
  readonly receivedAtMs: number;
  readonly promptTokens: number;
  /** Before this sequence came. */
  readonly load: EngineLoad;
}

export class StageSpans {
  readonly #request: ActiveSpan<"handle_payload">;
  readonly #kind: SequenceKind;
  readonly #promptTokens: number;
  readonly #tokenTimesMs: number[] = [];
  #stage: StageSpan | null;
  #chunks = 0;
  #maxRows = 0;

  constructor(request: ActiveSpan<"handle_payload">, options: StageSpansOptions) {
    this.#request = request;
    this.#kind = options.kind;
    this.#promptTokens = options.promptTokens;
    this.#stage = request.child("engine_queue", {
      startMs: options.receivedAtMs,
      attributes: {
        "queue.depth": options.load.waitingSequences,
        "queue.running": options.load.runningSequences,
      },
    });
  }

  /** The queue wait ends; prefill, or the wait for KV, begins. */
  scheduled(atMs: number, cachedTokens: number): void {
    this.#stage?.end(atMs);
    this.#stage = this.#kind === "decode"
      ? this.#request.child("kv_wait", {
        startMs: atMs,
        attributes: { "kv.blocks": blocksOf(this.#promptTokens) },
      })
      : this.#request.child("engine_prefill", {
        startMs: atMs,
        attributes: {
          "prompt.tokens": this.#promptTokens,
          "prompt.cached_tokens": cachedTokens,
        },
      });
  }

  chunk(event: ChunkEvent): void {
    if (this.#stage?.role !== "engine_prefill") return;
    this.#stage.child("engine_prefill_chunk", {
      startMs: event.startMs,
      attributes: {
        "chunk.index": this.#chunks++,
        "chunk.tokens": event.tokens,
      },
    }).end(event.endMs);
  }

  /** KV of the whole prompt is here: the wait ends, decoding begins. */
  kvArrived(atMs: number, receive: SpanReference): void {
    this.#stage?.link(receive);
    this.#openDecode(atMs);
  }

  /** It lost its blocks, in whatever stage it is. */
  preempted(atMs: number): void {
    if (this.#stage?.role !== "engine_queue") this.#stage?.event("preempted", {}, atMs);
  }

  token({ atMs, batchRows }: TokenEvent): void {
    this.#tokenTimesMs.push(atMs);
    if (this.#stage?.role === "engine_decode") this.#maxRows = Math.max(this.#maxRows, batchRows);
    if (this.#stage?.role !== "engine_prefill") return;
    this.#stage.set({ "prefill.chunks": this.#chunks });
    if (this.#kind === "generate") {
      this.#openDecode(atMs);
    } else {
      this.#stage.end(atMs);
      this.#stage = null;
    }
  }

  finished(atMs: number, finishReason: string): void {
    if (this.#stage?.role === "engine_decode") {
      const gaps = gapStatistics(this.#tokenTimesMs);
      this.#stage.set({
        "output.tokens": this.#tokenTimesMs.length,
        "finish_reason": finishReason,
        "batch.max_rows": this.#maxRows,
        ...(gaps &&
          { "itl_p50_ms": gaps.p50Ms, "itl_p99_ms": gaps.p99Ms, "itl_max_ms": gaps.maxMs }),
      });
    }
    this.#stage?.end(atMs);
    this.#stage = null;
  }

  failed(errorType: string, message: string): void {
    this.#stage?.fail(errorType, message);
    this.#stage?.end();
    this.#stage = null;
  }

  #openDecode(atMs: number): void {
    this.#stage?.end(atMs);
    const decode = this.#request.child("engine_decode", { startMs: atMs });
    this.#stage = decode;
    if (this.#kind === "generate") decode.event("first_token", {}, atMs);
  }
}
