/** A link without a server and a ticker without time, for tests of one end of a protocol. */

import type { Link, LinkSubscription, MessageListener } from "../../shared/bus/link.ts";
import type { IncomingMessage, OutgoingMessage } from "../../shared/bus/message.ts";
import type { TickSource } from "../../shared/bus/ticker.ts";

export interface Published extends OutgoingMessage {
  readonly subject: string;
}

export class FakeLink implements Link {
  isConnected = true;
  readonly maxPayloadBytes = 1 << 20;
  readonly published: Published[] = [];
  readonly #listeners = new Map<string, MessageListener>();

  publish(subject: string, message: OutgoingMessage): void {
    this.published.push({ subject, ...message });
  }

  subscribe(subject: string, listener: MessageListener): LinkSubscription {
    this.#listeners.set(subject, listener);
    const stop = () => {
      this.#listeners.delete(subject);
    };
    return { stop, drain: stop };
  }

  onReconnect(): () => void {
    return () => {};
  }

  isSubscribed(subject: string): boolean {
    return this.#listeners.has(subject);
  }

  /** Delivers a message to whoever subscribed to exactly `pattern`. */
  deliver(pattern: string, message: Partial<IncomingMessage>): void {
    this.#listeners.get(pattern)?.({
      subject: pattern,
      replyTo: "",
      kind: "",
      sequence: NaN,
      callId: "",
      headers: {},
      data: new Uint8Array(),
      ...message,
    });
  }

  /** Takes what was published since the last time, as `kind sequence`. */
  takeKinds(): string[] {
    return this.published.splice(0).map((message) =>
      message.sequence === undefined ? message.kind : `${message.kind} ${message.sequence}`
    );
  }
}

export class FakeTicker implements TickSource {
  readonly #listeners = new Set<() => void>();

  ticksOf(durationMs: number): number {
    return durationMs;
  }

  add(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get isIdle(): boolean {
    return this.#listeners.size === 0;
  }

  tick(times = 1): void {
    for (let n = 0; n < times; n++) {
      for (const listener of [...this.#listeners]) listener();
    }
  }
}
