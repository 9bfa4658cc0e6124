/**
 * The caller's end of a call. The protocol, both ends (`incoming_call.ts` is the other):
 *
 * - `call` goes to the instance's subject and carries a reply address; `frame`s, then one `end` or
 *   `error`, come back to it, numbered from 0. A number that is not the next one means that frames
 *   were lost with a connection: the call fails, since a gap cannot be repaired. A frame's headers hold
 *   for those after it, until one has others.
 * - At every tick the caller sends a `ping` to `<subject>.control`. The instance answers `pong` with
 *   the count of frames it has sent, or `unknown` when it does not run the call. So one message
 *   checks four things: the server answers "no responders" at once when the instance died (SIGKILL
 *   closes its connection); three pings without any answer mean that the instance or the network
 *   hangs; a pong that counts more frames than came shows a loss at the tail; and the instance, in
 *   turn, knows by the pings that its caller lives.
 * - `cancel` goes to the control subject, with the caller's headers.
 *
 * Silence is counted in ticks (`ticker.ts`), so a stalled event loop is not taken for a dead peer.
 */

import { epochMs } from "../clock/epoch_clock.ts";
import { CallError, type CallOptions, type Frame, type Headers } from "./bus.ts";
import { Mailbox } from "./mailbox.ts";
import { type IncomingMessage, NO_RESPONDERS } from "./message.ts";
import { decodePayload, encodePayload } from "./payload.ts";
import { type Closable, MAX_TIMER_MS, type Transport } from "./transport.ts";

/** Pings without an answer after which the instance counts as gone. */
const MAX_UNANSWERED_PINGS = 3;
const PING = "ping";

/** The subject on which an instance takes pings and cancels of the calls on `subject`. */
export function controlSubject(subject: string): string {
  return `${subject}.control`;
}

export interface CallRequest {
  readonly callId: string;
  readonly subject: string;
  readonly payload: unknown;
  readonly options: CallOptions;
}

export class OutgoingCall<T> implements Closable {
  readonly #transport: Transport;
  readonly #request: CallRequest;
  readonly #frames = new Mailbox<Frame<T>>();
  readonly #releases: (() => void)[] = [];
  /** Of the last frame that had any: they hold for those after it. */
  #frameHeaders: Headers = {};
  #received = 0;
  #unansweredPings = 0;
  #isOver = false;

  constructor(transport: Transport, request: CallRequest) {
    this.#transport = transport;
    this.#request = request;
  }

  /** Sends the request. What prevents that is thrown by the first `next`. */
  start(open: Set<Closable>): void {
    const { link, inbox, ticker } = this.#transport;
    const { callId, subject, options } = this.#request;
    open.add(this);
    this.#releases.push(() => open.delete(this));
    if (options.signal?.aborted) {
      return this.#settle(() => this.#frames.fail(options.signal?.reason));
    }
    const remainingMs = (options.deadlineAtMs ?? Infinity) - epochMs();
    if (remainingMs <= 0) return this.#fail("deadline_exceeded", "its deadline has passed");
    if (!link.isConnected) {
      return this.#fail("disconnected", "this process has no connection to NATS");
    }
    this.#releases.push(inbox.open(callId, (message, purpose) => this.#receive(message, purpose)));
    try {
      link.publish(subject, {
        kind: "call",
        callId,
        ...(options.headers ? { headers: options.headers } : {}),
        ...(remainingMs === Infinity ? {} : { timeoutMs: remainingMs }),
        data: encodePayload(this.#request.payload),
        replyTo: inbox.address(callId),
      });
    } catch (error) {
      if (error instanceof RangeError) return this.#fail("too_large", error.message);
      return this.#settle(() => this.#frames.fail(error));
    }
    this.#releases.push(ticker.add(() => this.#tick()));
    this.#watchSignal(options.signal);
    this.#watchDeadline(remainingMs);
  }

  next(): Promise<IteratorResult<Frame<T>, undefined>> {
    return this.#frames.take();
  }

  /** The reader left early: nobody wants the rest. */
  leave(): void {
    this.#cancel();
    this.#settle(() => this.#frames.end());
    this.#frames.clear();
  }

  /** Fails the call because this end's bus closes. */
  close(): void {
    this.#failAndCancel("disconnected", "the bus was closed");
  }

  #receive(message: IncomingMessage, purpose: string): void {
    this.#unansweredPings = 0;
    switch (message.kind) {
      case NO_RESPONDERS:
        return purpose === PING
          ? this.#fail("disconnected", "the instance has gone")
          : this.#fail("no_responders", "nobody serves this subject");
      case "unknown":
        return this.#fail("disconnected", "the instance does not know this call");
    }
    if (message.sequence !== this.#received) {
      const gap = `frame ${this.#received} was due and ${message.kind} ${message.sequence} came`;
      return this.#failAndCancel("disconnected", `frames were lost: ${gap}`);
    }
    switch (message.kind) {
      case "frame":
        return this.#receiveFrame(message);
      case "end":
        return this.#settle(() => this.#frames.end());
      case "error":
        return this.#receiveError(message);
    }
  }

  #receiveFrame(message: IncomingMessage): void {
    this.#received++;
    if (!message.isBare) this.#frameHeaders = message.headers;
    try {
      const frame = { body: decodePayload(message.data), headers: this.#frameHeaders };
      const { onFrame } = this.#request.options;
      // The frame's type is the contract between the caller and the endpoint; it is not checked here.
      if (onFrame === undefined) this.#frames.push(frame as Frame<T>);
      else onFrame(frame);
    } catch (error) {
      this.#cancel();
      this.#settle(() => this.#frames.fail(error));
    }
  }

  #receiveError(message: IncomingMessage): void {
    const { code, text } = decodeCallFailure(message.data);
    // The instance's timer may end before this one's does.
    const failure = code === "deadline_exceeded" ? code : "remote_error";
    this.#settle(() => this.#frames.fail(new CallError(failure, text, code)));
  }

  #tick(): void {
    if (this.#unansweredPings >= MAX_UNANSWERED_PINGS) {
      return this.#failAndCancel("disconnected", "the instance does not answer");
    }
    this.#unansweredPings++;
    const { callId, subject } = this.#request;
    this.#transport.link.publish(controlSubject(subject), {
      kind: PING,
      callId,
      replyTo: this.#transport.inbox.address(callId, PING),
    });
  }

  #watchSignal(signal: AbortSignal | undefined): void {
    if (!signal) return;
    const onAbort = () => {
      this.#cancel();
      this.#frames.clear();
      this.#settle(() => this.#frames.fail(signal.reason));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#releases.push(() => signal.removeEventListener("abort", onAbort));
  }

  #watchDeadline(remainingMs: number): void {
    if (remainingMs === Infinity) return;
    const timer = setTimeout(
      () => this.#failAndCancel("deadline_exceeded", "its deadline has passed"),
      Math.min(remainingMs, MAX_TIMER_MS),
    );
    this.#releases.push(() => clearTimeout(timer));
  }

  #cancel(): void {
    if (this.#isOver) return;
    const { callId, subject, options } = this.#request;
    const headers = options.cancelHeaders?.();
    this.#transport.link.publish(controlSubject(subject), {
      kind: "cancel",
      callId,
      ...(headers ? { headers } : {}),
    });
  }

  #failAndCancel(failure: "disconnected" | "deadline_exceeded", reason: string): void {
    this.#cancel();
    this.#fail(failure, reason);
  }

  #fail(failure: CallError["failure"], reason: string): void {
    const message = `Cannot finish the call on ${this.#request.subject}: ${reason}`;
    this.#settle(() => this.#frames.fail(new CallError(failure, message)));
  }

  #settle(close: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const release of this.#releases.splice(0)) release();
    close();
  }
}

/** What an `error` frame carries. */
export interface CallFailureBody {
  readonly code: string;
  readonly text: string;
}

function decodeCallFailure(data: Uint8Array): CallFailureBody {
  let body: Partial<CallFailureBody> | undefined;
  try {
    body = decodePayload(data) as Partial<CallFailureBody> | undefined;
  } catch {
    // The call failed all the same; its reason is unreadable.
  }
  return {
    code: typeof body?.code === "string" ? body.code : "internal",
    text: typeof body?.text === "string" ? body.text : "The instance failed without saying why",
  };
}
