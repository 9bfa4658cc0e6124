/** One request's sequence in the engine: its events become frames for the caller and stage spans. */

import { HandlerError, type Headers, type IncomingCall } from "../bus/mod.ts";
import { epochMs } from "../clock/epoch_clock.ts";
import type { EngineSequence, SequenceEvent, SequenceKind } from "../engine/engine.ts";
import type { Phase, PhaseTimings, WorkFrame, WorkRequest, WorkUsage } from "../messages/mod.ts";
import { exemplarOf, type WorkerRequestMeter } from "../telemetry/metrics/mod.ts";
import type { ActiveSpan, RequestIds } from "../telemetry/telemetry.ts";
import { StageSpans } from "./stage_spans.ts";
import { wantsStepSpans } from "./step_spans.ts";
import type { WorkerContext } from "./worker_context.ts";

export interface RunOptions {
  readonly context: WorkerContext;
  readonly call: IncomingCall;
  readonly span: ActiveSpan<"handle_payload">;
  readonly meter: WorkerRequestMeter;
  readonly request: WorkRequest;
  readonly ids: RequestIds;
  readonly receivedAtMs: number;
}

export type SequenceTimes = Pick<PhaseTimings, "scheduledAtMs" | "firstTokenAtMs">;
export type FinishedEvent = Extract<SequenceEvent, { type: "finished" }>;
type KvEvent = Extract<SequenceEvent, { type: "kv" }>;

const KIND_OF: Readonly<Record<Phase, SequenceKind>> = {
  aggregate: "generate",
  prefill: "prefill",
  decode: "decode",
};

/** The constructor throws a RangeError when the job itself is wrong, as Engine.submit does. */
export class SequenceRun {
  /** The engine's. */
  readonly handle: EngineSequence;
  readonly stages: StageSpans;
  readonly #run: RunOptions;
  /** Of every frame: they name the span that made them. */
  readonly #headers: Headers;
  readonly #times: { -readonly [K in keyof SequenceTimes]: SequenceTimes[K] } = {};
  #cachedTokens = 0;
  #generatedTokens = 0;
  #firstToken: number | undefined;

  constructor(options: RunOptions) {
    const { context, request, span, ids, receivedAtMs } = options;
    this.#run = options;
    const kind = KIND_OF[request.phase];
    const promptTokens = request.promptTokens.length;
    const { load } = context.engine;
    this.#headers = { traceparent: span.headers().traceparent ?? "" };
    this.send({
      kind: "accepted",
      instanceId: context.instanceId,
      queueDepth: load.waitingSequences,
    });
    const { callId: sequenceId } = options.call;
    this.handle = context.engine.submit({
      kind,
      sequenceId,
      promptTokens: request.promptTokens,
      sampling: request.sampling,
      maxTokens: request.maxTokens,
      stopTokenIds: request.stopTokenIds,
      timePasses: wantsStepSpans(span),
    });
    context.steps.join(sequenceId, { requestId: ids.requestId, span });
    this.stages = new StageSpans(span, {
      kind,
      receivedAtMs,
      promptTokens,
      load,
      backend: context.engine.info.device.backend,
      steps: context.steps,
    });
  }

  /** Undefined until it is there. */
  get firstToken(): number | undefined {
    return this.#firstToken;
  }

  get times(): SequenceTimes {
    return this.#times;
  }

  get usage(): WorkUsage {
    return {
      promptTokens: this.#run.request.promptTokens.length,
      cachedTokens: this.#cachedTokens,
      completionTokens: this.#generatedTokens,
    };
  }

  /** Takes the engine's events to the end, which it returns. Throws a HandlerError where they fail. */
  async consume(
    listeners: { scheduled?: () => void; kv?: (event: KvEvent) => void },
  ): Promise<FinishedEvent> {
    for await (const event of this.handle) {
      switch (event.type) {
        case "scheduled":
          this.#times.scheduledAtMs = event.atMs;
          this.#cachedTokens = event.cachedTokens;
          this.stages.scheduled(event.atMs, event.cachedTokens);
          this.#prompted(event.cachedTokens);
          this.send({ kind: "scheduled", cachedTokens: event.cachedTokens });
          listeners.scheduled?.();
          break;
        case "chunk":
          this.stages.chunk(event);
          break;
        case "preempted":
          this.stages.preempted(event);
          break;
        case "kv":
          listeners.kv?.(event);
          break;
        case "token":
          this.#times.firstTokenAtMs ??= event.atMs;
          this.#firstToken ??= event.id;
          this.#generatedTokens++;
          this.send({ kind: "tokens", index: event.index, ids: [event.id], step: event.step });
          if (this.#generatedTokens === 1) this.#run.meter.firstToken(exemplarOf(this.#run.span));
          this.stages.token(event, epochMs());
          break;
        case "failed":
          throw new HandlerError(event.code, event.message);
        case "finished":
          return event;
      }
    }
    throw new HandlerError("engine_failed", "The engine ended the sequence without an outcome");
  }

  send(frame: WorkFrame): void {
    this.#run.call.send(frame, this.#headers);
  }

  /** Ends it in the engine, and says on the request's span what it used. */
  end(): void {
    this.handle.cancel();
    const { context, call, span } = this.#run;
    context.steps.leave(call.callId);
    const { promptTokens, completionTokens, cachedTokens } = this.usage;
    span.set({
      "gen_ai.usage.input_tokens": promptTokens,
      "gen_ai.usage.output_tokens": completionTokens,
      "gen_ai.usage.cache_read.input_tokens": cachedTokens,
    });
  }

  /** A decode worker's prompt was computed by another. */
  #prompted(cachedTokens: number): void {
    const { meter, request: { phase, promptTokens } } = this.#run;
    if (phase !== "decode") meter.prompted({ tokens: promptTokens.length, cachedTokens });
  }
}
