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

/**
 * Ticks without a word of the caller after which it counts as gone. More than a caller gives an
 * instance: a frontend whose event loop is held up by one large request sends no pings meanwhile, and
 * its other calls should not die of that.
 */
const MAX_SILENT_TICKS = 10;

const NO_HEADERS: Headers = {};

/** An error frame must fit into any server's messages, whatever the error quotes. */
const MAX_FAILURE_CHARACTERS = 1_024;

export class RunningCall implements IncomingCall {
  readonly callId: string;
  readonly headers: Headers;
  readonly signal: AbortSignal;
  /** Set by `run`, before the handler sees the call. */
  payload: unknown = undefined;
  readonly #link: Link;
  readonly #replyTo: string;
  readonly #timeoutMs: number;
  readonly #abort = new AbortController();
  #sent = 0;
  #lastHeaders = NO_HEADERS;
  #silentTicks = 0;
  #isOver = false;

  constructor(link: Link, request: IncomingMessage) {
    this.#link = link;
    this.#replyTo = request.replyTo;
    this.callId = request.callId;
    this.headers = request.headers;
    this.#timeoutMs = request.timeoutMs ?? Infinity;
    this.signal = this.#abort.signal;
  }

  /** Runs the handler to its end and tells the caller how it ended. Never rejects. */
  async run(handler: CallHandler, data: Uint8Array): Promise<void> {
    const timer = this.#startDeadline();
    try {
      this.payload = this.#decode(data);
      await handler(this);
      this.#finish("end");
    } catch (error) {
      this.#finish("error", encodePayload(failureOf(error)));
    } finally {
      clearTimeout(timer);
    }
  }

  /** The same headers again are not sent again: they hold for the frames that follow. */
  send(body: unknown, headers: Headers = NO_HEADERS): void {
    if (this.#isOver) return;
    const isNew = headers !== this.#lastHeaders;
    this.#lastHeaders = headers;
    this.#link.publish(this.#replyTo, {
      kind: "frame",
      sequence: this.#sent,
      data: encodePayload(body),
      ...(isNew ? { headers } : {}),
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
    if (this.#timeoutMs === Infinity) return undefined;
    return setTimeout(
      () => this.abort("deadline_exceeded"),
      Math.min(this.#timeoutMs, MAX_TIMER_MS),
    );
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
  const text = (error instanceof Error ? error.message : String(error))
    .slice(0, MAX_FAILURE_CHARACTERS);
  if (error instanceof HandlerError) return { code: error.code, text };
  if (error instanceof CallAborted) return { code: error.abortCause, text };
  return { code: "internal", text };
}
