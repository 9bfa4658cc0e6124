/**
 * The body of a streamed answer: chunks as tokens arrive, comments in silence, then `[DONE]`.
 *
 * However the stream ends, it closes the record: at its last byte, at an error (which is written as an
 * event, whether the client reads or not), when the client leaves, or at the deadline when the client
 * neither reads nor leaves.
 */

import { epochMs } from "../../shared/clock/epoch_clock.ts";
import {
  ApiError,
  type ChunkWriter,
  sseData,
  sseDone,
  sseError,
  sseKeepAlive,
  toApiError,
  usageOf,
} from "../../shared/openai/mod.ts";
import type { ActiveSpan } from "../../shared/telemetry/telemetry.ts";
import type { AnswerEnd, AnswerPiece } from "./answer.ts";
import type { RequestRecord } from "./request_record.ts";

type Pieces = AsyncGenerator<AnswerPiece | AnswerEnd>;
type Controller = ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;

export interface EventStreamOptions {
  readonly pieces: Pieces;
  /** The first result of `pieces`, awaited before the headers were sent. */
  readonly first: IteratorResult<AnswerPiece | AnswerEnd>;
  readonly chunks: ChunkWriter;
  readonly includeUsage: boolean;
  readonly record: RequestRecord;
  /** Aborting ends the generation at once. */
  readonly abort: AbortController;
  readonly keepAliveIntervalMs: number;
  readonly deadlineAtMs: number;
  /** Called once, after the record was closed. */
  readonly onEnd: () => void;
}

const STATUS = 200;
const ENCODER = new TextEncoder();

export class EventStream implements UnderlyingDefaultSource<Uint8Array<ArrayBuffer>> {
  readonly #options: EventStreamOptions;
  #next: Promise<IteratorResult<AnswerPiece | AnswerEnd>>;
  #span: ActiveSpan<"http_stream"> | null = null;
  #deadlineTimer: ReturnType<typeof setTimeout> | undefined;
  #silenceTimer: ReturnType<typeof setTimeout> | undefined;
  #lastWriteMs = performance.now();
  #bytes = 0;
  #writes = 0;
  #isEnded = false;

  constructor(options: EventStreamOptions) {
    this.#options = options;
    this.#next = Promise.resolve(options.first);
  }

  start(controller: Controller): void {
    const { deadlineAtMs, keepAliveIntervalMs, abort } = this.#options;
    // The calls are cancelled first: their spans are part of the record.
    const onAbort = () => queueMicrotask(() => this.#fail(controller, abort.signal.reason));
    abort.signal.addEventListener("abort", onAbort, { once: true });
    this.#deadlineTimer = setTimeout(
      () => this.#expire(controller),
      deadlineAtMs + keepAliveIntervalMs - epochMs(),
    );
    this.#watchSilence(controller, keepAliveIntervalMs);
  }

  /** Writes what comes next; waits until there is something to write. */
  async pull(controller: Controller): Promise<void> {
    const writesBefore = this.#writes;
    try {
      while (this.#writes === writesBefore && !this.#isEnded) {
        const result = await this.#next;
        if (this.#isEnded) return;
        if (result.done) throw new TypeError("Cannot go on: the answer has no end");
        this.#advance(result.value);
        this.#take(controller, result.value);
      }
    } catch (error) {
      this.#fail(controller, error);
    }
  }

  /** The client left. */
  cancel(): void {
    if (this.#isEnded) return;
    const reason = new ApiError("client_closed_request", "The client closed the connection");
    this.#options.abort.abort(reason);
    this.#end(reason);
  }

  /** Writes a comment when nothing was written for the interval and the client reads. */
  #watchSilence(controller: Controller, dueInMs: number): void {
    this.#silenceTimer = setTimeout(() => {
      const { keepAliveIntervalMs } = this.#options;
      const leftMs = this.#lastWriteMs + keepAliveIntervalMs - performance.now();
      const isDue = leftMs <= 0;
      if (isDue && (controller.desiredSize ?? 0) > 0) this.#write(controller, sseKeepAlive());
      this.#watchSilence(controller, isDue ? keepAliveIntervalMs : leftMs);
    }, dueInMs);
  }

  #advance(taken: AnswerPiece | AnswerEnd): void {
    if (taken.kind === "end") return;
    this.#next = this.#options.pieces.next();
    // The reader sees a failure when it gets here; until then it is not unhandled.
    this.#next.catch(() => {});
  }

  #take(controller: Controller, item: AnswerPiece | AnswerEnd): void {
    const { record, chunks, includeUsage } = this.#options;
    if (item.kind === "piece") {
      const isFirst = this.#span === null;
      record.tokens(item.texts.length, item.arrivedAtMs);
      const shown = item.texts.filter((text, index) => text !== "" || (isFirst && index === 0));
      const events = shown.map((text) => sseData(chunks.text(text))).join("");
      if (events !== "") this.#write(controller, events);
      if (isFirst) this.#began(item.arrivedAtMs);
      return;
    }
    const { text, finishReason } = item;
    record.generated(finishReason);
    const timings = record.timings(finishReason);
    this.#write(
      controller,
      (text === "" ? "" : sseData(chunks.text(text))) +
        (includeUsage
          ? sseData(chunks.finish(finishReason)) +
            sseData(chunks.usage(usageOf(record.counts), timings))
          : sseData(chunks.finish(finishReason, timings))) +
        sseDone(),
    );
    controller.close();
    this.#end();
  }

  /** The first token was written. */
  #began(arrivedAtMs: number): void {
    const now = epochMs();
    this.#options.record.firstWrite(now);
    this.#span = this.#options.record.span.child("http_stream", {
      startMs: now,
      attributes: { "stream.first_write_ms": now - arrivedAtMs },
    });
  }

  #write(controller: Controller, events: string): void {
    const bytes = ENCODER.encode(events);
    controller.enqueue(bytes);
    this.#lastWriteMs = performance.now();
    this.#bytes += bytes.byteLength;
    this.#writes++;
  }

  #fail(controller: Controller, error: unknown): void {
    if (this.#isEnded) return;
    const failure = toApiError(error);
    this.#write(controller, sseError(failure.body(this.#options.record.timings(null))));
    controller.close();
    this.#end(failure);
  }

  #expire(controller: Controller): void {
    if (this.#isEnded) return;
    const reason = new ApiError("deadline_exceeded", "Cannot finish in the time allowed");
    this.#options.abort.abort(reason);
    controller.error(reason);
    this.#end(reason);
  }

  #end(error?: ApiError): void {
    this.#isEnded = true;
    clearTimeout(this.#deadlineTimer);
    clearTimeout(this.#silenceTimer);
    this.#span?.set({ "http.response.body.size": this.#bytes, "stream.chunks": this.#writes });
    this.#span?.end();
    this.#options.record.finish(STATUS, error);
    this.#options.onEnd();
  }
}
