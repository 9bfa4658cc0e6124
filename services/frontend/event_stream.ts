/**
 * The body of a streamed answer: chunks as tokens arrive, comments in silence, then `[DONE]`.
 *
 * It goes straight to the connection: a web stream between them would cost a third of the frontend's
 * CPU (docs/design/2026-11-http-server.md).
 *
 * However the stream ends, it closes the record: at its last byte, at an error (which is written as an
 * event, whether the client reads or not), when the client leaves, or at the deadline when the client
 * neither reads nor leaves.
 */

import type { ServerResponse } from "node:http";
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

/** What a stream needs of the connection's response. */
export type Outgoing = Pick<
  ServerResponse,
  "writeHead" | "write" | "end" | "destroy" | "writableNeedDrain" | "once" | "on"
>;

export interface EventStreamOptions {
  readonly outgoing: Outgoing;
  readonly pieces: Pieces;
  /** The first result of `pieces`, awaited before the headers are sent. */
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

export class EventStream {
  readonly #options: EventStreamOptions;
  #span: ActiveSpan<"http_stream"> | null = null;
  #deadlineTimer: ReturnType<typeof setTimeout> | undefined;
  #silenceTimer: ReturnType<typeof setTimeout> | undefined;
  #lastWriteMs = performance.now();
  /** Tokens whose text, if any, is still to come. */
  #heldTokens = 0;
  #bytes = 0;
  #writes = 0;
  #isEnded = false;

  constructor(options: EventStreamOptions) {
    this.#options = options;
  }

  /** Writes the headers and all that comes, until the end. */
  start(headers: Readonly<Record<string, string>>): void {
    const { outgoing, deadlineAtMs, keepAliveIntervalMs, abort } = this.#options;
    outgoing.writeHead(STATUS, headers);
    // The calls are cancelled first: their spans are part of the record.
    const onAbort = () => queueMicrotask(() => this.#fail(abort.signal.reason));
    abort.signal.addEventListener("abort", onAbort, { once: true });
    outgoing.once("close", () => this.#leave());
    // A write that comes too late: the connection's end is told by itself.
    outgoing.on("error", () => {});
    this.#deadlineTimer = setTimeout(
      () => this.#expire(),
      deadlineAtMs + keepAliveIntervalMs - epochMs(),
    );
    this.#watchSilence(keepAliveIntervalMs);
    void this.#run();
  }

  async #run(): Promise<void> {
    const { outgoing, pieces, first } = this.#options;
    try {
      let result = first;
      while (!this.#isEnded) {
        if (result.done) throw new TypeError("Cannot go on: the answer has no end");
        const item = result.value;
        if (item.kind === "end") return this.#finish(item);
        const next = pieces.next();
        // A failure is seen below; until then it is not unhandled.
        next.catch(() => {});
        this.#take(item);
        if (outgoing.writableNeedDrain) await this.#drained();
        result = await next;
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Resolves when the client has read enough; never where it leaves. */
  #drained(): Promise<void> {
    return new Promise((resolve) => this.#options.outgoing.once("drain", () => resolve()));
  }

  /** The client left. */
  #leave(): void {
    if (this.#isEnded) return;
    const reason = new ApiError("client_closed_request", "The client closed the connection");
    this.#options.abort.abort(reason);
    this.#end(reason);
  }

  /** Writes a comment when nothing was written for the interval and the client reads. */
  #watchSilence(dueInMs: number): void {
    this.#silenceTimer = setTimeout(() => {
      const { keepAliveIntervalMs, outgoing } = this.#options;
      const leftMs = this.#lastWriteMs + keepAliveIntervalMs - performance.now();
      const isDue = leftMs <= 0;
      if (isDue && !outgoing.writableNeedDrain) this.#write(sseKeepAlive());
      this.#watchSilence(isDue ? keepAliveIntervalMs : leftMs);
    }, dueInMs);
  }

  #take({ texts, arrivedAtMs }: AnswerPiece): void {
    const { record } = this.#options;
    const isFirst = this.#span === null;
    record.tokens(texts.length, arrivedAtMs);
    let events = "";
    // The first token is told also where it has no text yet.
    let isTold = isFirst;
    for (const text of texts) {
      this.#heldTokens++;
      if (text !== "" || isTold) events += this.#textEvent(text);
      isTold = false;
    }
    if (events !== "") this.#write(events);
    if (isFirst) this.#began(arrivedAtMs);
  }

  #textEvent(text: string): string {
    const { record, chunks } = this.#options;
    const tokens = record.nextTokenTimings(this.#heldTokens);
    this.#heldTokens = 0;
    return sseData(chunks.text(text, tokens));
  }

  #finish({ text, finishReason }: AnswerEnd): void {
    const { record, chunks, includeUsage, outgoing } = this.#options;
    record.generated(finishReason);
    const timings = record.timings(finishReason);
    this.#write(
      (text === "" ? "" : this.#textEvent(text)) +
        (includeUsage
          ? sseData(chunks.finish(finishReason)) +
            sseData(chunks.usage(usageOf(record.counts), timings))
          : sseData(chunks.finish(finishReason, timings))) +
        sseDone(),
    );
    outgoing.end();
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

  #write(events: string): void {
    const bytes = ENCODER.encode(events);
    this.#options.outgoing.write(bytes);
    this.#lastWriteMs = performance.now();
    this.#bytes += bytes.byteLength;
    this.#writes++;
  }

  #fail(error: unknown): void {
    if (this.#isEnded) return;
    const failure = toApiError(error);
    const { outgoing, record } = this.#options;
    this.#write(sseError(failure.body(record.timings(null))));
    outgoing.end();
    this.#end(failure);
  }

  #expire(): void {
    if (this.#isEnded) return;
    const { abort, outgoing } = this.#options;
    const reason = new ApiError("deadline_exceeded", "Cannot finish in the time allowed");
    abort.abort(reason);
    this.#end(reason);
    outgoing.destroy();
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
