/**
 * The stage spans of one sequence under its `handle_payload` span.
 *
 * One stage is open at a time: queue, then prefill (or the wait for KV), then decode. However the
 * sequence ends, the open stage ends with it, so no span is left behind, and what it computed so far is
 * on it and on the request.
 */

import type { DeviceInfo } from "../engine/backend.ts";
import type { EngineLoad, SequenceEvent, SequenceKind } from "../engine/engine.ts";
import type { ActiveSpan, SpanReference } from "../telemetry/telemetry.ts";
import { blocksOf } from "./kv_receiver.ts";
import type { StepHistory } from "./step_history.ts";
import { type LateToken, TokenGaps } from "./token_gaps.ts";

type ChunkEvent = Extract<SequenceEvent, { type: "chunk" }>;
type TokenEvent = Extract<SequenceEvent, { type: "token" }>;
type PreemptedEvent = Extract<SequenceEvent, { type: "preempted" }>;
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
  readonly backend: DeviceInfo["backend"];
  readonly steps: StepHistory;
}

const TIME_ATTRIBUTE = {
  webgpu: "gpu.time_ms",
  cpu: "cpu.time_ms",
  simulated: "simulated.time_ms",
} as const satisfies Record<DeviceInfo["backend"], string>;

/** What the engine did for the sequence in one stage. */
interface StageWork {
  readonly firstStep: number;
  lastStep: number;
  computeMs: number;
}

export class StageSpans {
  readonly #request: ActiveSpan<"handle_payload">;
  readonly #options: StageSpansOptions;
  readonly #gaps: TokenGaps;
  #stage: StageSpan | null;
  /** Of the open stage; null before its first step. */
  #work: StageWork | null = null;
  #computeMs = 0;
  #chunks = 0;
  #tokens = 0;
  #maxRows = 0;

  constructor(request: ActiveSpan<"handle_payload">, options: StageSpansOptions) {
    this.#request = request;
    this.#options = options;
    this.#gaps = new TokenGaps(options.steps);
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
    const { kind, promptTokens } = this.#options;
    this.#endStage(atMs);
    this.#stage = kind === "decode"
      ? this.#request.child("kv_wait", {
        startMs: atMs,
        attributes: { "kv.blocks": blocksOf(promptTokens) },
      })
      : this.#request.child("engine_prefill", {
        startMs: atMs,
        attributes: { "prompt.tokens": promptTokens, "prompt.cached_tokens": cachedTokens },
      });
  }

  chunk(event: ChunkEvent): void {
    this.#addWork(event);
    if (this.#stage?.role !== "engine_prefill") return;
    this.#stage.child("engine_prefill_chunk", {
      startMs: event.startMs,
      attributes: {
        "chunk.index": this.#chunks++,
        "chunk.tokens": event.tokens,
        "engine.step": event.step,
      },
    }).end(event.endMs);
  }

  /**
   * KV of the whole prompt is here: the wait ends, decoding begins.
   * @param sinceFirstTokenMs how long ago the prefill worker made the first token
   */
  kvArrived(
    atMs: number,
    { receive, sinceFirstTokenMs }: { receive: SpanReference; sinceFirstTokenMs: number },
  ): void {
    this.#stage?.link(receive);
    this.#gaps.handedOver(atMs, sinceFirstTokenMs);
    this.#openDecode(atMs);
  }

  /** It lost its blocks, in whatever stage it is. */
  preempted({ atMs, bySequenceId }: PreemptedEvent): void {
    const by = this.#options.steps.requestOf(bySequenceId);
    this.#gaps.preempted(by?.span.spanId === this.#request.spanId ? null : by);
    if (this.#stage?.role !== "engine_queue") this.#stage?.event("preempted", {}, atMs);
  }

  /** @param sentAtMs when this thread had it to send */
  token(event: TokenEvent, sentAtMs: number): void {
    const { atMs, batchRows, index, step } = event;
    this.#addWork(event);
    this.#tokens++;
    this.#gaps.token({ index, step, atMs: sentAtMs });
    if (this.#stage?.role === "engine_decode") this.#maxRows = Math.max(this.#maxRows, batchRows);
    if (this.#stage?.role !== "engine_prefill") return;
    if (this.#options.kind === "generate") this.#openDecode(atMs);
    else this.#endStage(atMs);
  }

  /** It ends now: the engine ended a little earlier, but its last token may be handled only just. */
  finished(finishReason: string): void {
    if (this.#stage?.role === "engine_decode") this.#stage.set({ "finish_reason": finishReason });
    this.#endAll();
  }

  failed(errorType: string, message: string): void {
    this.#stage?.fail(errorType, message);
    this.#endAll();
  }

  #openDecode(atMs: number): void {
    this.#endStage(atMs);
    const decode = this.#request.child("engine_decode", { startMs: atMs });
    this.#stage = decode;
    if (this.#options.kind === "generate") decode.event("first_token", {}, atMs);
  }

  #addWork({ step, computeMs }: ChunkEvent | TokenEvent): void {
    this.#work ??= { firstStep: step, lastStep: step, computeMs: 0 };
    this.#work.lastStep = step;
    this.#work.computeMs += computeMs;
  }

  #endAll(): void {
    this.#endStage();
    this.#request.set({ [TIME_ATTRIBUTE[this.#options.backend]]: this.#computeMs });
  }

  #endStage(atMs?: number): void {
    const stage = this.#stage;
    if (stage?.role === "engine_prefill") {
      stage.set({ "prefill.chunks": this.#chunks, ...this.#workAttributes() });
    } else if (stage?.role === "engine_decode") {
      stage.set({
        "output.tokens": this.#tokens,
        "batch.max_rows": this.#maxRows,
        ...this.#workAttributes(),
      });
      this.#tellGaps(stage);
    }
    stage?.end(atMs);
    this.#stage = null;
    this.#computeMs += this.#work?.computeMs ?? 0;
    this.#work = null;
  }

  #workAttributes() {
    if (this.#work === null) return {};
    const { firstStep, lastStep, computeMs } = this.#work;
    return {
      "engine.first_step": firstStep,
      "engine.last_step": lastStep,
      [TIME_ATTRIBUTE[this.#options.backend]]: computeMs,
    };
  }

  #tellGaps(decode: ActiveSpan<"engine_decode">): void {
    const gaps = this.#gaps.statistics();
    if (gaps === null) return;
    decode.set({ "itl_p50_ms": gaps.p50Ms, "itl_p99_ms": gaps.p99Ms, "itl_max_ms": gaps.maxMs });
    const linked = new Set<string>();
    for (const late of this.#gaps.lateTokens()) {
      decode.event("itl.gap", gapAttributes(late), late.atMs);
      if (late.other === null || linked.has(late.other.span.spanId)) continue;
      linked.add(late.other.span.spanId);
      decode.link(late.other.span);
    }
  }
}

function gapAttributes(late: LateToken): Record<string, string | number> {
  const { index, step, gapMs, cause, causeMs, other, otherTokens } = late;
  return {
    "token.index": index,
    "engine.step": step,
    "gap_ms": gapMs,
    "cause": cause,
    "cause_ms": causeMs,
    ...(other === null
      ? {}
      : { "other.request_id": other.requestId, "other.trace_id": other.span.traceId }),
    ...(otherTokens === 0 ? {} : { "other.tokens": otherTokens }),
  };
}
