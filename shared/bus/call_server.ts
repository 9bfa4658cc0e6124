/** Serves one endpoint of one instance: starts calls, and knows which of them run. */

import type { CallHandler } from "./bus.ts";
import { RunningCall } from "./incoming_call.ts";
import type { Link, LinkSubscription } from "./link.ts";
import type { IncomingMessage } from "./message.ts";
import { controlSubject } from "./outgoing_call.ts";
import type { TickSource } from "./ticker.ts";

export interface CallCounts {
  readonly started: number;
  readonly running: number;
}

export class CallServer {
  readonly #link: Link;
  readonly #handler: CallHandler;
  readonly #running = new Map<string, RunningCall>();
  readonly #calls: LinkSubscription;
  readonly #control: LinkSubscription;
  readonly #removeTick: () => void;
  readonly #drained = Promise.withResolvers<void>();
  #started = 0;
  #isStopping = false;

  constructor(link: Link, ticker: TickSource, subject: string, handler: CallHandler) {
    this.#link = link;
    this.#handler = handler;
    this.#control = link.subscribe(
      controlSubject(subject),
      (message) => this.#controlCall(message),
    );
    this.#calls = link.subscribe(subject, (message) => this.#startCall(message));
    this.#removeTick = ticker.add(() => this.#tick());
  }

  get counts(): CallCounts {
    return { started: this.#started, running: this.#running.size };
  }

  /** Resolves when the server was stopped and its last call has ended. */
  get drained(): Promise<void> {
    return this.#drained.promise;
  }

  /** Takes no new calls: they find no responders. Running ones go on. */
  stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#calls.drain();
    this.#releaseWhenDrained();
  }

  /** Ends what still runs. */
  abort(): void {
    for (const call of this.#running.values()) call.close();
  }

  #startCall(request: IncomingMessage): void {
    if (request.kind !== "call" || !request.replyTo || this.#running.has(request.callId)) return;
    const call = new RunningCall(this.#link, request);
    // The payload is read before the first await of run(): its buffer is only valid until then.
    this.#running.set(call.callId, call);
    this.#started++;
    void call.run(this.#handler, request.data).then(() => {
      this.#running.delete(call.callId);
      this.#releaseWhenDrained();
    });
  }

  #controlCall(message: IncomingMessage): void {
    const call = this.#running.get(message.callId);
    if (message.kind === "cancel") {
      call?.abort("cancelled", message.headers);
    } else if (message.kind === "ping" && message.replyTo) {
      if (call) call.answerPing(message.replyTo);
      else this.#link.publish(message.replyTo, { kind: "unknown" });
    }
  }

  #tick(): void {
    for (const call of this.#running.values()) call.tick();
  }

  #releaseWhenDrained(): void {
    if (!this.#isStopping || this.#running.size > 0) return;
    this.#removeTick();
    this.#control.drain();
    this.#drained.resolve();
  }
}
