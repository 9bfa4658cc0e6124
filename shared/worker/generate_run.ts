/**
 * One request's way through a worker.
 *
 * The three phases differ in where KV comes from and goes to; the sequence runs the same way in all:
 * the engine's events become frames for the caller and stage spans.
 */

import { HandlerError, type Headers, type IncomingCall } from "../bus/mod.ts";
import { epochMs } from "../clock/epoch_clock.ts";
import type { EngineSequence, SequenceEvent, SequenceKind } from "../engine/engine.ts";
import type { Phase, PhaseTimings, WorkFrame, WorkRequest, WorkUsage } from "../messages/mod.ts";
import type { WorkerRequestMeter } from "../telemetry/metrics/mod.ts";
import type { ActiveSpan, RequestIds } from "../telemetry/telemetry.ts";
import { callFailure, cancellationOf } from "./call_failure.ts";
import { blocksOf, type KvReceipt, receiveKv } from "./kv_receiver.ts";
import { KvSender } from "./kv_sender.ts";
import { StageSpans } from "./stage_spans.ts";
import { wantsStepSpans } from "./step_spans.ts";
import type { WorkerContext } from "./worker_context.ts";

export interface GenerateRunOptions {
  readonly context: WorkerContext;
  readonly call: IncomingCall;
  readonly span: ActiveSpan<"handle_payload">;
  readonly meter: WorkerRequestMeter;
  readonly request: WorkRequest;
  readonly ids: RequestIds;
  readonly receivedAtMs: number;
}

export type EndFrame = Extract<WorkFrame, { kind: "end" }>;

type FinishedEvent = Extract<SequenceEvent, { type: "finished" }>;
type KvEvent = Extract<SequenceEvent, { type: "kv" }>;

const KIND_OF: Readonly<Record<Phase, SequenceKind>> = {
  aggregate: "generate",
  prefill: "prefill",
  decode: "decode",
};

/** The constructor throws a RangeError when the job itself is wrong, as Engine.submit does. */
export class GenerateRun {
  readonly #run: GenerateRunOptions;
  readonly #stages: StageSpans;
  readonly #sequence: EngineSequence;
  /** Of every frame: they name the span that made them. */
  readonly #headers: Headers;
  readonly #times: { -readonly [K in keyof PhaseTimings]?: PhaseTimings[K] } = {};
  #cachedTokens = 0;
  #generatedTokens = 0;
  #firstToken: number | undefined;

  constructor(options: GenerateRunOptions) {
    const { context, request, span, ids, receivedAtMs } = options;
    this.#run = options;
    const kind = KIND_OF[request.phase];
    const promptTokens = request.promptTokens.length;
    const { load } = context.engine;
    this.#headers = { traceparent: span.headers().traceparent ?? "" };
    this.#send({
      kind: "accepted",
      instanceId: context.instanceId,
      queueDepth: load.waitingSequences,
    });
    const { callId: sequenceId } = options.call;
    this.#sequence = context.engine.submit({
      kind,
      sequenceId,
      promptTokens: request.promptTokens,
      sampling: request.sampling,
      maxTokens: request.maxTokens,
      stopTokenIds: request.stopTokenIds,
      timePasses: wantsStepSpans(span),
    });
    context.steps.join(sequenceId, { requestId: ids.requestId, span });
    this.#stages = new StageSpans(span, {
      kind,
      receivedAtMs,
      promptTokens,
      load,
      backend: context.engine.info.device.backend,
      steps: context.steps,
    });
  }

  /** Runs to the end and sends the end frame, which it returns. Throws what callFailure understands. */
  async run(): Promise<EndFrame> {
    const { signal } = this.#run.call;
    const cancel = () => this.#sequence.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    try {
      signal.throwIfAborted();
      const finished = await this.#runPhase();
      signal.throwIfAborted();
      const finishReason = this.#finishReasonOf(finished);
      this.#stages.finished(finishReason);
      const end = this.#endFrame(finishReason);
      this.#send(end);
      return end;
    } catch (error) {
      const failure = callFailure(error, signal);
      if (failure.code === "cancelled") {
        const isStop = cancellationOf(signal) === "stop_string";
        this.#stages.finished(isStop ? "stop" : "cancelled");
      } else this.#stages.failed(failure.code, failure.message);
      throw error;
    } finally {
      signal.removeEventListener("abort", cancel);
      this.#sequence.cancel();
      const { context, call, span } = this.#run;
      context.steps.leave(call.callId);
      const usage = this.#usage();
      span.set({
        "gen_ai.usage.input_tokens": usage.promptTokens,
        "gen_ai.usage.output_tokens": usage.completionTokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cachedTokens,
      });
    }
  }

  #runPhase(): Promise<FinishedEvent> {
    switch (this.#run.request.phase) {
      case "aggregate":
        return this.#consume({});
      case "prefill":
        return this.#prefill();
      case "decode":
        return this.#decode();
    }
  }

  async #prefill(): Promise<FinishedEvent> {
    const { context, call, span, request } = this.#run;
    const sender = new KvSender(context.bus, span, this.#transferId(), {
      promptTokens: request.promptTokens.length,
      leaseMs: context.transferTimeoutMs,
      signal: call.signal,
    });
    try {
      const finished = await this.#consume({
        kv: ({ firstBlock, blocks, data }) => sender.push({ firstBlock, blocks }, data),
      });
      call.signal.throwIfAborted();
      const { firstTokenAtMs } = this.#times;
      if (this.#firstToken === undefined || firstTokenAtMs === undefined) {
        throw new HandlerError("engine_failed", "The engine ended the prompt without a token");
      }
      const stats = await sender.finish({
        firstToken: this.#firstToken,
        firstTokenAtMs,
        isComplete: this.#isComplete(this.#firstToken),
      });
      this.#transferred("sent", stats);
      return finished;
    } catch (error) {
      const failure = callFailure(error, call.signal);
      sender.abort(failure.code, failure.message);
      throw error;
    }
  }

  async #decode(): Promise<FinishedEvent> {
    const { context, call, span, request, ids } = this.#run;
    const transferId = this.#transferId();
    const { blockBytes } = context.engine.info.kv;
    const transfer = context.bus.receive(context.bus.transferSubject(transferId), {
      leaseMs: context.transferTimeoutMs,
      signal: call.signal,
      maxPartBytes: blocksOf(request.promptTokens.length) * blockBytes,
    });
    let receiving: Promise<unknown> = Promise.resolve();
    const receive = async () => {
      try {
        this.#kvArrived(
          await receiveKv(context.telemetry, span, transfer, this.#sequence, {
            promptTokens: request.promptTokens.length,
            blockBytes,
            ids,
            transferId,
            signal: call.signal,
          }),
        );
        return null;
      } catch (error) {
        this.#sequence.cancel();
        return error;
      }
    };
    try {
      const finished = await this.#consume({
        scheduled: () => {
          receiving = receive();
        },
      });
      const failure = await receiving;
      if (failure) throw failure;
      return finished;
    } finally {
      transfer.close();
      await receiving;
    }
  }

  #kvArrived({ end, receive, stats }: KvReceipt): void {
    this.#transferred("received", stats);
    this.#stages.kvArrived(epochMs(), { receive, sinceFirstTokenMs: end.sinceFirstTokenMs });
    if (end.isComplete) this.#sequence.cancel();
    else this.#sequence.begin(end.firstToken);
  }

  async #consume(
    listeners: { scheduled?: () => void; kv?: (event: KvEvent) => void },
  ): Promise<FinishedEvent> {
    for await (const event of this.#sequence) {
      switch (event.type) {
        case "scheduled":
          this.#times.scheduledAtMs = event.atMs;
          this.#cachedTokens = event.cachedTokens;
          this.#stages.scheduled(event.atMs, event.cachedTokens);
          this.#prompted(event.cachedTokens);
          this.#send({ kind: "scheduled", cachedTokens: event.cachedTokens });
          listeners.scheduled?.();
          break;
        case "chunk":
          this.#stages.chunk(event);
          break;
        case "preempted":
          this.#stages.preempted(event);
          break;
        case "kv":
          listeners.kv?.(event);
          break;
        case "token":
          this.#times.firstTokenAtMs ??= event.atMs;
          this.#firstToken ??= event.id;
          this.#generatedTokens++;
          this.#send({ kind: "tokens", index: event.index, ids: [event.id], step: event.step });
          if (this.#generatedTokens === 1) this.#run.meter.firstToken(this.#exemplar());
          this.#stages.token(event, epochMs());
          break;
        case "failed":
          throw new HandlerError(event.code, event.message);
        case "finished":
          return event;
      }
    }
    throw new HandlerError("engine_failed", "The engine ended the sequence without an outcome");
  }

  #transferred(
    direction: "sent" | "received",
    stats: { bytes: number; startedAtMs: number; endedAtMs: number },
  ): void {
    const durationMs = stats.endedAtMs - stats.startedAtMs;
    this.#times.kvTransferMs = durationMs;
    const { bytes } = stats;
    const traceId = this.#exemplar();
    this.#run.context.metrics.kvTransferred({ direction, bytes, durationMs, traceId });
  }

  /** A decode worker's prompt was computed by another. */
  #prompted(cachedTokens: number): void {
    const { meter, request: { phase, promptTokens } } = this.#run;
    if (phase !== "decode") meter.prompted({ tokens: promptTokens.length, cachedTokens });
  }

  #exemplar(): string | undefined {
    const { span } = this.#run;
    return span.isExported ? span.traceId : undefined;
  }

  /** Whether the first token already ended the text, so that nothing is left to decode. */
  #isComplete(firstToken: number): boolean {
    const { maxTokens, stopTokenIds } = this.#run.request;
    return maxTokens === 1 || stopTokenIds.includes(firstToken);
  }

  #transferId(): string {
    const { transferId } = this.#run.request;
    if (transferId !== undefined) return transferId;
    throw new HandlerError("bad_request", "The request names no transfer");
  }

  #finishReasonOf(finished: FinishedEvent): EndFrame["finishReason"] {
    const isHandOff = this.#run.request.phase === "prefill" && this.#firstToken !== undefined &&
      !this.#isComplete(this.#firstToken);
    if (isHandOff) return "handed_off";
    return finished.reason === "length" ? "length" : "stop";
  }

  /** Its end time is that of the request: no stage ends after it. */
  #endFrame(finishReason: EndFrame["finishReason"]): EndFrame {
    const { receivedAtMs } = this.#run;
    return {
      kind: "end",
      finishReason,
      usage: this.#usage(),
      timings: { ...this.#times, receivedAtMs, endAtMs: epochMs() },
    };
  }

  #usage(): WorkUsage {
    return {
      promptTokens: this.#run.request.promptTokens.length,
      cachedTokens: this.#cachedTokens,
      completionTokens: this.#generatedTokens,
    };
  }

  #send(frame: WorkFrame): void {
    this.#run.call.send(frame, this.#headers);
  }
}
