/**
 * One request's way through a worker.
 *
 * The three phases differ in where KV comes from and goes to; the sequence runs the same way in all
 * (`sequence_run.ts`).
 */

import { HandlerError } from "../bus/mod.ts";
import { epochMs } from "../clock/epoch_clock.ts";
import type { WorkFrame } from "../messages/mod.ts";
import { exemplarOf } from "../telemetry/metrics/mod.ts";
import { callFailure, cancellationOf } from "./call_failure.ts";
import { blocksOf, type KvReceipt, receiveKv } from "./kv_receiver.ts";
import { KvSender } from "./kv_sender.ts";
import { type FinishedEvent, type RunOptions, SequenceRun } from "./sequence_run.ts";

export type EndFrame = Extract<WorkFrame, { kind: "end" }>;

/** The constructor throws a RangeError when the job itself is wrong, as Engine.submit does. */
export class GenerateRun {
  readonly #run: RunOptions;
  readonly #sequence: SequenceRun;
  #kvTransferMs: number | undefined;

  constructor(options: RunOptions) {
    this.#run = options;
    this.#sequence = new SequenceRun(options);
  }

  /** Runs to the end and sends the end frame, which it returns. Throws what callFailure understands. */
  async run(): Promise<EndFrame> {
    const { signal } = this.#run.call;
    const { handle, stages } = this.#sequence;
    const cancel = () => handle.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    try {
      signal.throwIfAborted();
      const finished = await this.#runPhase();
      signal.throwIfAborted();
      const finishReason = this.#finishReasonOf(finished);
      stages.finished(finishReason);
      const end = this.#endFrame(finishReason);
      this.#sequence.send(end);
      return end;
    } catch (error) {
      const failure = callFailure(error, signal);
      if (failure.code === "cancelled") {
        const isStop = cancellationOf(signal) === "stop_string";
        stages.finished(isStop ? "stop" : "cancelled");
      } else stages.failed(failure.code, failure.message);
      throw error;
    } finally {
      signal.removeEventListener("abort", cancel);
      this.#sequence.end();
    }
  }

  #runPhase(): Promise<FinishedEvent> {
    switch (this.#run.request.phase) {
      case "aggregate":
        return this.#sequence.consume({});
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
      const finished = await this.#sequence.consume({
        kv: ({ firstBlock, blocks, data }) => sender.push({ firstBlock, blocks }, data),
      });
      call.signal.throwIfAborted();
      const { firstToken, times: { firstTokenAtMs } } = this.#sequence;
      if (firstToken === undefined || firstTokenAtMs === undefined) {
        throw new HandlerError("engine_failed", "The engine ended the prompt without a token");
      }
      const stats = await sender.finish({
        firstToken,
        firstTokenAtMs,
        isComplete: this.#isComplete(firstToken),
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
          await receiveKv(context.telemetry, span, transfer, this.#sequence.handle, {
            promptTokens: request.promptTokens.length,
            blockBytes,
            ids,
            transferId,
            signal: call.signal,
          }),
        );
        return null;
      } catch (error) {
        this.#sequence.handle.cancel();
        return error;
      }
    };
    try {
      const finished = await this.#sequence.consume({
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
    const { handle, stages } = this.#sequence;
    stages.kvArrived(epochMs(), { receive, sinceFirstTokenMs: end.sinceFirstTokenMs });
    if (end.isComplete) handle.cancel();
    else handle.begin(end.firstToken);
  }

  #transferred(
    direction: "sent" | "received",
    stats: { bytes: number; startedAtMs: number; endedAtMs: number },
  ): void {
    const durationMs = stats.endedAtMs - stats.startedAtMs;
    this.#kvTransferMs = durationMs;
    const { bytes } = stats;
    const { context, span } = this.#run;
    const traceId = exemplarOf(span);
    context.metrics.kvTransferred({ direction, bytes, durationMs, traceId });
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
    const { firstToken } = this.#sequence;
    const isHandOff = this.#run.request.phase === "prefill" && firstToken !== undefined &&
      !this.#isComplete(firstToken);
    if (isHandOff) return "handed_off";
    return finished.reason === "length" ? "length" : "stop";
  }

  /** Its end time is that of the request: no stage ends after it. */
  #endFrame(finishReason: EndFrame["finishReason"]): EndFrame {
    const { times, usage } = this.#sequence;
    return {
      kind: "end",
      finishReason,
      usage,
      timings: {
        ...times,
        kvTransferMs: this.#kvTransferMs,
        receivedAtMs: this.#run.receivedAtMs,
        endAtMs: epochMs(),
      },
    };
  }
}
