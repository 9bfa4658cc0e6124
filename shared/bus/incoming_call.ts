/** One call as it runs at the instance that serves it. The protocol is in `outgoing_call.ts`. */

import {
  type AbortCause,
  CallAborted,
  type CallHandler,
  HandlerError,
  type Headers,
  type IncomingCall,
} from "./bus.ts";
import type { Link } from "./link.ts";
import type { IncomingMessage } from "./message.ts";
import type { CallFailureBody } from "./outgoing_call.ts";
import { decodePayload, encodePayload } from "./payload.ts";
import { MAX_TIMER_MS } from "./transport.ts";

/** Ticks without a word of the caller after which it counts as gone. */
const MAX_SILENT_TICKS = 4;

export class RunningCall implements IncomingCall {
  readonly callId: string;
  readonly headers: Headers;
  readonly deadlineAtMs?: number;
  readonly signal: AbortSignal;
  /** Set by `run`, before the handler sees the call. */
  payload: unknown = undefined;
  readonly #link: Link;
  readonly #replyTo: string;
  readonly #abort = new AbortController();
  #sent = 0;
  #silentTicks = 0;
  #isOver = false;

  constructor(link: Link, request: IncomingMessage) {
    this.#link = link;
    this.#replyTo = request.replyTo;
    this.callId = request.callId;
    this.headers = request.headers;
    if (request.deadlineAtMs !== undefined) this.deadlineAtMs = request.deadlineAtMs;
    this.signal = this.#abort.signal;
  }

  /** Runs the handler to its end and tells the caller how it ended. Never rejects. */
  async run(handler: CallHandler, data: Uint8Array): Promise<void> {
    const timer = this.#startDeadline();
    try {
      this.payload = this.#decode(data);
      this.signal.throwIfAborted();
      await handler(this);
      this.#finish("end");
    } catch (error) {
      this.#finish("error", encodePayload(failureOf(error)));
    } finally {
      clearTimeout(timer);
    }
  }

  send(body: unknown, headers?: Headers): void {
    if (this.#isOver) return;
    this.#link.publish(this.#replyTo, {
      kind: "frame",
      sequence: this.#sent,
      data: encodePayload(body),
      ...(headers ? { headers } : {}),
    });
    this.#sent++;
  }

  /** Answers the caller's ping with the count of frames sent. */
  answerPing(replyTo: string): void {
    this.#silentTicks = 0;
    if (!this.#isOver) this.#link.publish(replyTo, { kind: "pong", sequence: this.#sent });
  }

  tick(): void {
    if (++this.#silentTicks >= MAX_SILENT_TICKS) this.abort("caller_lost");
  }

  abort(cause: AbortCause, headers?: Headers): void {
    if (!this.signal.aborted) this.#abort.abort(new CallAborted(cause, headers));
  }

  /** Ends the call now, whatever its handler does: the bus closes. */
  close(): void {
    this.abort("closed");
    const failure = { code: "draining", text: "The instance stopped before the call had ended" };
    this.#finish("error", encodePayload(failure satisfies CallFailureBody));
  }

  #decode(data: Uint8Array): unknown {
    try {
      return decodePayload(data);
    } catch (error) {
      throw new HandlerError("bad_request", error instanceof Error ? error.message : String(error));
    }
  }

  #startDeadline(): ReturnType<typeof setTimeout> | undefined {
    if (this.deadlineAtMs === undefined) return undefined;
    const remainingMs = this.deadlineAtMs - Date.now();
    if (remainingMs > 0) {
      return setTimeout(() => this.abort("deadline_exceeded"), Math.min(remainingMs, MAX_TIMER_MS));
    }
    this.abort("deadline_exceeded");
    return undefined;
  }

  #finish(kind: "end" | "error", data?: Uint8Array): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#link.publish(this.#replyTo, {
      kind,
      sequence: this.#sent,
      ...(data ? { data } : {}),
    });
  }
}

function failureOf(error: unknown): CallFailureBody {
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof HandlerError) return { code: error.code, text };
  if (error instanceof CallAborted) return { code: error.cause_, text };
  return { code: "internal", text };
}
