/**
 * What the protocols above need of a NATS connection, and nothing else of it.
 *
 * The client's traps end here: a publish without a connection is lost without a sign (so every
 * protocol numbers its messages, and calls refuse to start), a listener that throws would stop the
 * client's reader (so its error is reported to the runtime instead), the server's limits are absent
 * while it reconnects (so the last known ones stay), and in a subscription's callback the ambient
 * context is that of `connect`, never the caller's (so nothing here relies on one).
 */

import { errors, type NatsConnection } from "@nats-io/nats-core";
import type { BusStatus } from "./bus.ts";
import {
  bareSubject,
  decodeMessage,
  encodeHeaders,
  type IncomingMessage,
  type OutgoingMessage,
} from "./message.ts";

export type MessageListener = (message: IncomingMessage) => void;

export interface LinkSubscription {
  /** No further message is delivered. */
  stop(): void;
  /** Tells the server first: what it has sent until then is still delivered. */
  drain(): void;
}

/** A publish-subscribe connection. The protocols depend on this, not on NATS. */
export interface Link {
  readonly isConnected: boolean;
  /** Bytes of the largest message that the server accepts, headers included. */
  readonly maxPayloadBytes: number;
  publish(subject: string, message: OutgoingMessage): void;
  subscribe(subject: string, listener: MessageListener): LinkSubscription;
  /** Calls `listener` after every reconnection until the returned function is called. */
  onReconnect(listener: () => void): () => void;
}

const DEFAULT_MAX_PAYLOAD_BYTES = 1 << 20;

export class NatsLink implements Link {
  readonly #connection: NatsConnection;
  readonly #reconnectListeners = new Set<() => void>();
  #isConnected = true;
  #maxPayloadBytes = DEFAULT_MAX_PAYLOAD_BYTES;

  constructor(connection: NatsConnection, onStatus: (status: BusStatus) => void) {
    this.#connection = connection;
    void this.#watch(onStatus);
    void connection.closed().then((error) => {
      this.#isConnected = false;
      onStatus({ kind: "closed", ...(error ? { message: error.message } : {}) });
    });
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  get maxPayloadBytes(): number {
    this.#maxPayloadBytes = this.#connection.info?.max_payload ?? this.#maxPayloadBytes;
    return this.#maxPayloadBytes;
  }

  /** Throws a RangeError when the message is larger than the server accepts. */
  publish(subject: string, message: OutgoingMessage): void {
    if (this.#connection.isClosed()) return;
    const bare = bareSubject(subject, message);
    try {
      if (bare !== null) return this.#connection.publish(bare, message.data);
      this.#connection.publish(subject, message.data, {
        headers: encodeHeaders(message),
        ...(message.replyTo ? { reply: message.replyTo } : {}),
      });
    } catch (error) {
      const bytes = message.data?.byteLength ?? 0;
      if (!(error instanceof errors.InvalidArgumentError) || bytes === 0) throw error;
      throw new RangeError(
        `Cannot publish ${bytes} bytes on ${subject}: the server accepts at most ` +
          `${this.maxPayloadBytes} with headers (max_payload)`,
        { cause: error },
      );
    }
  }

  subscribe(subject: string, listener: MessageListener): LinkSubscription {
    const subscription = this.#connection.subscribe(subject, {
      // An error here is a refused permission; the status listener is told of it.
      callback: (error, message) => {
        if (error) return;
        try {
          listener(decodeMessage(message));
        } catch (failure) {
          reportError(failure);
        }
      },
    });
    return {
      stop: () => subscription.unsubscribe(),
      drain: () => {
        if (!subscription.isClosed() && !this.#connection.isClosed()) void subscription.drain();
      },
    };
  }

  onReconnect(listener: () => void): () => void {
    this.#reconnectListeners.add(listener);
    return () => this.#reconnectListeners.delete(listener);
  }

  /** Round trip to the server, milliseconds. Rejects when there is none within `timeoutMs`. */
  async roundTripMs(timeoutMs: number): Promise<number> {
    if (!this.#isConnected) throw new Error("Cannot ping NATS: not connected");
    const startMs = performance.now();
    await this.#flush(timeoutMs);
    return performance.now() - startMs;
  }

  /** Sends what is written, as far as `timeoutMs` allows, and closes for good. */
  async close(timeoutMs: number): Promise<void> {
    if (this.#connection.isClosed()) return;
    if (this.#isConnected) {
      try {
        await this.#flush(timeoutMs);
      } catch {
        // The connection is lost: there is nobody to send the rest to.
      }
    }
    await this.#connection.close();
  }

  async #flush(timeoutMs: number): Promise<void> {
    const timedOut = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => timedOut.reject(new Error(`Cannot ping NATS: no answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    try {
      await Promise.race([this.#connection.flush(), timedOut.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #watch(onStatus: (status: BusStatus) => void): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === "disconnect" && this.#isConnected) {
        this.#isConnected = false;
        onStatus({ kind: "disconnected", server: status.server });
      } else if (status.type === "reconnect") {
        this.#isConnected = true;
        onStatus({ kind: "reconnected", server: status.server });
        for (const listener of [...this.#reconnectListeners]) listener();
      } else if (status.type === "error") {
        onStatus({ kind: "error", message: status.error.message });
      }
    }
  }
}
