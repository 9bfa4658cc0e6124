/** The bus over NATS: puts the protocols of this folder on one connection. */

import { createInbox, type NatsConnection, nuid } from "@nats-io/nats-core";
import {
  type Endpoint,
  endpointSubject,
  heartbeatSubject,
  type InstanceRecord,
  type Role,
  rollCallSubject,
  subjectToken,
  type Topic,
  topicSubject,
} from "../messages/mod.ts";
import { Announcement } from "./announcement.ts";
import type {
  Bus,
  BusOptions,
  CallHandler,
  CallOptions,
  Frame,
  IncomingTransfer,
  InstanceDirectory,
  OutgoingTransfer,
  ReceiveOptions,
  TransferOptions,
} from "./bus.ts";
import { CallServer } from "./call_server.ts";
import { Inbox } from "./inbox.ts";
import { TransferReceiver } from "./incoming_transfer.ts";
import { HeartbeatDirectory } from "./instance_directory.ts";
import { NatsLink } from "./link.ts";
import { addMicroService } from "./micro_service.ts";
import { openNatsConnection } from "./nats_connection.ts";
import { OutgoingCall } from "./outgoing_call.ts";
import { TransferSender } from "./outgoing_transfer.ts";
import { decodePayload, encodePayload } from "./payload.ts";
import { Ticker } from "./ticker.ts";
import { MAX_CHUNK_BYTES } from "./transfer_message.ts";
import type { Closable, Transport } from "./transport.ts";

const DEFAULT_HEARTBEAT_MS = 1_000;
const DEFAULT_INSTANCE_TTL_MS = 3_500;
const DEFAULT_KEEPALIVE_MS = 500;
const PING_TIMEOUT_MS = 2_000;
const FLUSH_TIMEOUT_MS = 1_000;

/** Chunks that one transfer may have under way: enough for 2 GB/s at a round trip of 2 ms. */
const TRANSFER_WINDOW = 16;
/**
 * Chunks under way to this process in all. The server drops a client for which it holds 64 MB, so
 * what is granted stays under that even when this process reads nothing for a while.
 */
const PROCESS_WINDOW = (32 * 1024 * 1024) / MAX_CHUNK_BYTES;
const MIN_TRANSFER_WINDOW = 2;

/**
 * Connects to NATS. Throws a TypeError for a malformed URL, a RangeError for a namespace that may not
 * stand in a subject, an Error when no server answers within `connectTimeoutMs`.
 */
export async function connectBus(options: BusOptions): Promise<Bus> {
  subjectToken(options.namespace, "the namespace");
  return new NatsBus(await openNatsConnection(options), options);
}

class NatsBus implements Bus {
  readonly namespace: string;
  readonly #options: BusOptions;
  readonly #connection: NatsConnection;
  readonly #link: NatsLink;
  readonly #ticker: Ticker;
  readonly #inbox: Inbox;
  /** Calls and outgoing transfers that are not over. */
  readonly #sending = new Set<Closable>();
  readonly #receiving = new Set<Closable>();
  readonly #servers = new Map<CallServer, () => void>();
  readonly #announcements = new Set<Announcement>();
  #directory?: HeartbeatDirectory;

  constructor(connection: NatsConnection, options: BusOptions) {
    this.namespace = options.namespace;
    this.#options = options;
    this.#connection = connection;
    this.#link = new NatsLink(connection, (status) => options.onStatus?.(status));
    this.#ticker = new Ticker(options.keepaliveMs ?? DEFAULT_KEEPALIVE_MS);
    this.#inbox = new Inbox(this.#link, createInbox());
  }

  get isConnected(): boolean {
    return this.#link.isConnected;
  }

  ping(): Promise<number> {
    return this.#link.roundTripMs(PING_TIMEOUT_MS);
  }

  call<T>(
    subject: string,
    payload: unknown,
    options: CallOptions = {},
  ): AsyncIterable<Frame<T>> {
    const request = { callId: nuid.next(), subject, payload, options };
    const call = new OutgoingCall<T>(this.#transport, request);
    let isStarted = false;
    return {
      [Symbol.asyncIterator]: () => {
        if (isStarted) throw new TypeError("Cannot iterate a call twice");
        isStarted = true;
        call.start(this.#sending);
        return {
          next: () => call.next(),
          return: () => {
            call.leave();
            return Promise.resolve({ done: true, value: undefined });
          },
        };
      },
    };
  }

  serve(role: Role, endpoint: Endpoint, instanceId: string, handler: CallHandler): () => void {
    subjectToken(instanceId, "the instance id");
    const subject = endpointSubject(this.namespace, role, endpoint, instanceId);
    const server = new CallServer(this.#link, this.#ticker, subject, handler);
    const removeService = addMicroService(this.#connection, {
      namespace: this.namespace,
      role,
      endpoint,
      instanceId,
      subject,
      counts: () => server.counts,
    });
    const stop = () => {
      server.stop();
      removeService();
    };
    this.#servers.set(server, stop);
    void server.drained.then(() => this.#servers.delete(server));
    return stop;
  }

  announce(record: () => InstanceRecord): { publishNow(): void; stop(): void } {
    const announcement = new Announcement(this.#link, {
      namespace: this.namespace,
      record,
      heartbeatMs: this.#options.heartbeatMs ?? DEFAULT_HEARTBEAT_MS,
    });
    this.#announcements.add(announcement);
    return {
      publishNow: () => announcement.publishNow(),
      stop: () => {
        this.#announcements.delete(announcement);
        announcement.stop();
      },
    };
  }

  directory(): InstanceDirectory {
    if (this.#directory) return this.#directory;
    const ttlTicks = this.#ticker.ticksOf(this.#options.instanceTtlMs ?? DEFAULT_INSTANCE_TTL_MS);
    const directory = new HeartbeatDirectory(ttlTicks);
    this.#link.subscribe(
      heartbeatSubject(this.namespace),
      (message) => directory.receive(message.data),
    );
    const callRoll = () =>
      this.#link.publish(rollCallSubject(this.namespace), { kind: "roll_call" });
    callRoll();
    this.#link.onReconnect(callRoll);
    this.#ticker.add(() => directory.tick());
    this.#directory = directory;
    return directory;
  }

  tell(topic: Topic, body: unknown): void {
    this.#link.publish(topicSubject(this.namespace, topic), {
      kind: "topic",
      data: encodePayload(body),
    });
  }

  listen(topic: Topic, listener: (body: unknown) => void): () => void {
    const subscription = this.#link.subscribe(topicSubject(this.namespace, topic), ({ data }) => {
      let body: unknown;
      try {
        body = decodePayload(data);
      } catch {
        // Not of this system.
        return;
      }
      listener(body);
    });
    return () => subscription.stop();
  }

  transferSubject(transferId: string): string {
    return `dyn.${this.namespace}.transfer.${subjectToken(transferId, "the transfer id")}`;
  }

  receive(subject: string, options: ReceiveOptions = {}): IncomingTransfer {
    const transport = {
      link: this.#link,
      ticker: this.#ticker,
      windowMessages: () => this.#transferWindow(),
      open: this.#receiving,
    };
    return new TransferReceiver(transport, subject, options);
  }

  send(subject: string, options: TransferOptions = {}): OutgoingTransfer {
    const transport = { ...this.#transport, open: this.#sending };
    return new TransferSender(transport, { subject, senderId: nuid.next() }, options);
  }

  async drain(timeoutMs: number, beforeClose?: () => Promise<void>): Promise<void> {
    const drained = [...this.#servers.keys()].map((server) => server.drained);
    for (const stop of [...this.#servers.values()]) stop();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timedOut = new Promise<void>((resolve) => timer = setTimeout(resolve, timeoutMs));
    await Promise.race([Promise.all(drained), timedOut]);
    clearTimeout(timer);
    await beforeClose?.();
    await this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stop of [...this.#servers.values()]) stop();
    await this.#close();
  }

  async #close(): Promise<void> {
    for (const server of this.#servers.keys()) server.abort();
    for (const announcement of this.#announcements) announcement.stop();
    for (const open of [...this.#sending, ...this.#receiving]) open.close();
    this.#ticker.stop();
    await this.#link.close(FLUSH_TIMEOUT_MS);
  }

  get #transport(): Transport {
    return { link: this.#link, inbox: this.#inbox, ticker: this.#ticker };
  }

  #transferWindow(): number {
    const share = Math.floor(PROCESS_WINDOW / Math.max(1, this.#receiving.size));
    return Math.max(MIN_TRANSFER_WINDOW, Math.min(TRANSFER_WINDOW, share));
  }
}
