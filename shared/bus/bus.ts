/**
 * The bus as services see it: calls that answer with a stream, heartbeats, bulk transfers.
 *
 * Core NATS only. Headers are plain records with lower-case keys; payloads are msgpack values, bulk
 * data raw bytes. Nothing here knows of telemetry: whoever calls puts the context in the headers.
 */

import type { Endpoint, InstanceRecord, Role, Topic } from "../messages/mod.ts";

/** Lower-case keys to values. */
export type Headers = Readonly<Record<string, string>>;

export interface BusOptions {
  /** One or more `nats://` or `ws://`/`wss://` URLs, comma-separated; may carry user and password. */
  readonly url: string;
  readonly namespace: string;
  /** Shown by the server's connection list. */
  readonly clientName: string;
  /** How long the first connection may take. */
  readonly connectTimeoutMs: number;
  /** Time between two heartbeats of an announced instance. Default 1000. */
  readonly heartbeatMs?: number;
  /** Silence after which the directory forgets an instance. Default 3500. */
  readonly instanceTtlMs?: number;
  /** Period of the liveness checks of calls and transfers. Default 500. */
  readonly keepaliveMs?: number;
  /** Told of every change of the connection after the first. */
  readonly onStatus?: (status: BusStatus) => void;
}

/** `closed` is final: the bus does not come back by itself. */
export type BusStatus =
  | { readonly kind: "disconnected" | "reconnected"; readonly server: string }
  | { readonly kind: "error"; readonly message: string }
  | { readonly kind: "closed"; readonly message?: string };

/** Why a call ended without its end. */
export type CallFailure =
  /** Nobody serves the subject. */
  | "no_responders"
  /** The instance went silent: it died, or the network did. */
  | "disconnected"
  /** The instance answered with an error; `remoteCode` says which. */
  | "remote_error"
  /** The request does not fit into one message of the server (`max_payload`). */
  | "too_large"
  | "deadline_exceeded";

export class CallError extends Error {
  override name = "CallError";
  constructor(
    readonly failure: CallFailure,
    message: string,
    readonly remoteCode?: string,
  ) {
    super(message);
  }
}

/** Thrown by a call handler to end the call with an error of this code; others become `internal`. */
export class HandlerError extends Error {
  override name = "HandlerError";
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

export interface CallOptions {
  readonly headers?: Headers;
  /** Aborting cancels the call at the instance too; the iteration then throws the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Takes the frames as they come, in place of the iteration, which then yields nothing until the end.
   * What it throws fails the call.
   */
  readonly onFrame?: (frame: Frame<unknown>) => void;
  /** Headers of the cancel message, so that a trace can show it. */
  readonly cancelHeaders?: () => Headers;
  /**
   * By epochMs(); bounds the call at both ends. What is left of it travels, since the clocks of two
   * hosts may differ.
   */
  readonly deadlineAtMs?: number;
}

export interface Frame<T> {
  readonly body: T;
  readonly headers: Headers;
}

/** A call as its handler sees it. */
export interface IncomingCall {
  readonly callId: string;
  readonly payload: unknown;
  readonly headers: Headers;
  /** Aborts when the caller cancels or goes silent, or the deadline passes. `reason` is a CallAborted. */
  readonly signal: AbortSignal;
  /** Sends one frame. Order is kept; the caller detects a lost frame and fails the call. */
  send(body: unknown, headers?: Headers): void;
}

/** Why a running call should stop. `closed`: this end's bus closed before the call had ended. */
export type AbortCause = "cancelled" | "caller_lost" | "deadline_exceeded" | "closed";

export class CallAborted extends Error {
  override name = "CallAborted";
  /** `headers` are those of the cancel message, when one came. */
  constructor(readonly abortCause: AbortCause, readonly headers: Headers = {}) {
    super(`The call was aborted: ${abortCause}`);
  }
}

/** Resolving ends the stream well; throwing ends it with an error frame. */
export type CallHandler = (call: IncomingCall) => Promise<void>;

/** A live view of the workers whose heartbeats arrive. */
export interface InstanceDirectory {
  /** Instances whose last heartbeat is younger than the time to live, draining ones included. */
  list(role?: Role): readonly InstanceRecord[];
  /** Forgets an instance at once, for example after `no_responders`; its next heartbeat revives it. */
  drop(instanceId: string): void;
  /** Resolves when `isReady(list)` holds after a change; rejects with the signal's reason. */
  until(
    isReady: (instances: readonly InstanceRecord[]) => boolean,
    signal?: AbortSignal,
  ): Promise<void>;
  /** Called after every arrival, departure and heartbeat. */
  onChange(listener: (instances: readonly InstanceRecord[]) => void): () => void;
}

export interface TransferStats {
  readonly bytes: number;
  readonly chunks: number;
  /** When the first part was written (sender) or came (receiver). Epoch milliseconds. */
  readonly startedAtMs: number;
  /** When the receiver had verified the whole (receiver) or had said so (sender). */
  readonly endedAtMs: number;
  /** Time in which the sender had data and no credit. The same at both ends. */
  readonly creditWaitMs: number;
  /** From start to end without waits for credit; what the sender needs to make the parts is in it. */
  readonly wireMs: number;
}

/**
 * The sending end of a bulk transfer. Chunks wait for the receiver's credit. From its creation on it
 * holds the receiver's lease: create it when the work begins, not when the first bytes are there.
 * Must be ended by `finish`, `abort` or the signal.
 */
export interface OutgoingTransfer {
  /**
   * Sends one part with its own small metadata; splits it under the server's max payload. Parts are
   * sent in the order of the calls; `data` may be reused when the promise resolves.
   */
  write(meta: unknown, data: Uint8Array): Promise<void>;
  /** Ends the transfer; resolves when the receiver has confirmed count and checksum. */
  finish(meta: unknown): Promise<TransferStats>;
  /** Tells the receiver that nothing more comes. */
  abort(reason: string): void;
}

export type IncomingPart =
  | { readonly kind: "part"; readonly meta: unknown; readonly data: Uint8Array<ArrayBuffer> }
  | { readonly kind: "finished"; readonly meta: unknown; readonly stats: TransferStats };

/** The receiving end. Iterating yields whole parts in order, then `finished`; throws TransferError. */
export interface IncomingTransfer extends AsyncIterable<IncomingPart> {
  /** Headers of the sender's opening message: its trace context. Resolves when it opened. */
  readonly opened: Promise<Headers>;
  close(): void;
}

export class TransferError extends Error {
  override name = "TransferError";
  constructor(
    readonly reason: "timeout" | "checksum" | "sequence" | "aborted" | "peer_lost" | "closed",
    message: string,
  ) {
    super(message);
  }
}

export interface TransferOptions {
  readonly headers?: Headers;
  /** Silence of the other end after which this end gives up and frees what it holds. Default 10000. */
  readonly leaseMs?: number;
  readonly signal?: AbortSignal;
}

export interface ReceiveOptions extends TransferOptions {
  /** A part is one allocation of a size that the sender names: larger ones are refused. Default 2^30. */
  readonly maxPartBytes?: number;
}

export interface Bus extends AsyncDisposable {
  readonly namespace: string;
  readonly isConnected: boolean;
  /** Round trip to the server, milliseconds. Rejects when there is none. */
  ping(): Promise<number>;

  /**
   * Calls an endpoint of an instance; iterating yields its frames until the end of the stream. The
   * request leaves when the iteration begins; a call is iterated once. Throws CallError.
   */
  call<T>(subject: string, payload: unknown, options?: CallOptions): AsyncIterable<Frame<T>>;
  /**
   * Serves an endpoint of this instance until the returned function is called: from then on new calls
   * find no responders, and running ones go on.
   */
  serve(role: Role, endpoint: Endpoint, instanceId: string, handler: CallHandler): () => void;

  /**
   * Publishes `record()` at once, after every reconnection, when a directory is opened anywhere in the
   * namespace and at the heartbeat interval, until stopped; stopping takes the instance out of every directory at once.
   */
  announce(record: () => InstanceRecord): { publishNow(): void; stop(): void };
  /** Knows a moment after its opening who is up: it calls the roll, then and after every reconnection. */
  directory(): InstanceDirectory;

  /** Tells every process of the namespace that listens; who is cut off then never learns of it. */
  tell(topic: Topic, body: unknown): void;
  /** Hears what is told, by this process too, until the returned function is called. */
  listen(topic: Topic, listener: (body: unknown) => void): () => void;

  /** A subject on which this process can receive a transfer with this id. */
  transferSubject(transferId: string): string;
  receive(subject: string, options?: ReceiveOptions): IncomingTransfer;
  send(subject: string, options?: TransferOptions): OutgoingTransfer;

  /**
   * Stops taking calls, lets running ones end for at most `timeoutMs`, aborts the rest, closes.
   * `beforeClose` runs when no call is left and the connection still stands.
   */
  drain(timeoutMs: number, beforeClose?: () => Promise<void>): Promise<void>;
}
