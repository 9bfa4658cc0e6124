/** The sending end of a bulk transfer. The protocol is in `transfer_message.ts`. */

import { crc32 } from "node:zlib";
import { epochMs } from "../clock/epoch_clock.ts";
import {
  type OutgoingTransfer,
  TransferError,
  type TransferOptions,
  type TransferStats,
} from "./bus.ts";
import { type IncomingMessage, NO_RESPONDERS, type OutgoingMessage } from "./message.ts";
import { encodePayload } from "./payload.ts";
import {
  type AbortBody,
  chunkBytesUnder,
  decodeAbort,
  DEFAULT_LEASE_MS,
  MAX_PART_BYTES,
  type PartHeader,
  type Trailer,
} from "./transfer_message.ts";
import type { Closable, Transport } from "./transport.ts";

const FIRST_OPEN_DELAY_MS = 10;
const MAX_OPEN_DELAY_MS = 250;

export interface TransferIdentity {
  readonly subject: string;
  /** Unique: the receiver knows its sender by the address made of it. */
  readonly senderId: string;
}

export class TransferSender implements OutgoingTransfer, Closable {
  readonly #transport: Transport;
  readonly #identity: TransferIdentity;
  readonly #options: TransferOptions;
  readonly #leaseTicks: number;
  readonly #releases: (() => void)[] = [];
  readonly #done = Promise.withResolvers<void>();
  #credit = Promise.withResolvers<void>();
  #isOpen = false;
  #openDelayMs = FIRST_OPEN_DELAY_MS;
  #openTimer?: ReturnType<typeof setTimeout>;
  #granted = 0;
  #sent = 0;
  #silentTicks = 0;
  #bytes = 0;
  #chunks = 0;
  #checksum = 0;
  #startedAtMs?: number;
  #creditWaitMs = 0;
  #firstCreditWaitMs = 0;
  #writing: Promise<unknown> = Promise.resolve();
  #isOver = false;
  #failure?: TransferError;

  /** Is in `open` until it is over. */
  constructor(
    transport: Transport & { readonly open: Set<Closable> },
    identity: TransferIdentity,
    options: TransferOptions,
  ) {
    this.#transport = transport;
    this.#identity = identity;
    this.#options = options;
    this.#leaseTicks = transport.ticker.ticksOf(options.leaseMs ?? DEFAULT_LEASE_MS);
    // finish() tells of a failure; a sender that failed before is told by write().
    this.#done.promise.catch(() => {});
    transport.open.add(this);
    this.#releases.push(
      () => transport.open.delete(this),
      transport.inbox.open(identity.senderId, (message) => this.#receive(message)),
      transport.ticker.add(() => this.#tick()),
      () => clearTimeout(this.#openTimer),
    );
    this.#open();
    this.#watchSignal(options.signal);
  }

  /** Writes are sent in the order of their calls. Throws a TransferError. */
  write(meta: unknown, data: Uint8Array): Promise<void> {
    return this.#inOrder(() => this.#writePart({ bytes: data.byteLength, meta }, data));
  }

  finish(meta: unknown): Promise<TransferStats> {
    return this.#inOrder(() => this.#finish(meta));
  }

  abort(reason: string): void {
    this.#failAndTell(new TransferError("aborted", reason));
  }

  /** Gives the transfer up because this end's bus closes. */
  close(): void {
    this.#failAndTell(new TransferError("closed", "The sender's bus was closed"));
  }

  async #writePart(header: PartHeader, data: Uint8Array): Promise<void> {
    if (data.byteLength > MAX_PART_BYTES) {
      throw new RangeError(
        `Cannot send a part of ${data.byteLength} bytes: at most ${MAX_PART_BYTES} are accepted`,
      );
    }
    this.#startedAtMs ??= epochMs();
    await this.#sendCredited("part", encodePayload(header));
    const chunkBytes = chunkBytesUnder(this.#transport.link.maxPayloadBytes);
    for (let begin = 0; begin < data.byteLength; begin += chunkBytes) {
      const chunk = data.subarray(begin, begin + chunkBytes);
      await this.#sendCredited("chunk", chunk);
      this.#checksum = crc32(chunk, this.#checksum);
      this.#bytes += chunk.byteLength;
      this.#chunks++;
    }
    // The client's own flush was queued first, so after this turn it no longer refers to `data`.
    await Promise.resolve();
  }

  async #finish(meta: unknown): Promise<TransferStats> {
    const startedAtMs = this.#startedAtMs ?? epochMs();
    while (!this.#isOpen) await this.#waitForCredit();
    this.#throwIfOver();
    const trailer: Trailer = {
      bytes: this.#bytes,
      checksum: this.#checksum,
      creditWaitMs: this.#creditWaitMs,
      firstCreditWaitMs: this.#firstCreditWaitMs,
      meta,
    };
    this.#send({ kind: "finish", sequence: this.#sent, data: encodePayload(trailer) });
    await this.#done.promise;
    const endedAtMs = epochMs();
    return {
      bytes: this.#bytes,
      chunks: this.#chunks,
      startedAtMs,
      endedAtMs,
      creditWaitMs: this.#creditWaitMs,
      wireMs: Math.max(0, endedAtMs - startedAtMs - this.#creditWaitMs),
    };
  }

  async #sendCredited(kind: "part" | "chunk", data: Uint8Array): Promise<void> {
    while (this.#sent >= this.#granted) await this.#waitForCredit();
    this.#throwIfOver();
    this.#send({ kind, sequence: this.#sent, data });
    this.#sent++;
  }

  async #waitForCredit(): Promise<void> {
    this.#throwIfOver();
    const startMs = performance.now();
    await this.#credit.promise;
    this.#creditWaitMs += performance.now() - startMs;
    if (this.#sent === 0) this.#firstCreditWaitMs = this.#creditWaitMs;
    this.#throwIfOver();
  }

  #receive(message: IncomingMessage): void {
    if (message.kind === NO_RESPONDERS) return this.#onNoResponders();
    this.#silentTicks = 0;
    switch (message.kind) {
      case "credit":
        this.#isOpen = true;
        this.#granted = Math.max(this.#granted, message.sequence || 0);
        return this.#wake();
      case "done":
        this.#release();
        return this.#done.resolve();
      case "abort":
        return this.#fail(decodeAbort(message.data, "receiver"));
    }
  }

  #onNoResponders(): void {
    if (this.#isOpen) {
      return this.#fail(new TransferError("peer_lost", "The receiver has gone"));
    }
    clearTimeout(this.#openTimer);
    this.#openTimer = setTimeout(() => this.#open(), this.#openDelayMs);
    this.#openDelayMs = Math.min(this.#openDelayMs * 2, MAX_OPEN_DELAY_MS);
  }

  #open(): void {
    const { headers } = this.#options;
    this.#send({ kind: "open", ...(headers ? { headers } : {}) });
  }

  #tick(): void {
    if (++this.#silentTicks > this.#leaseTicks) {
      return this.#failAndTell(
        this.#isOpen
          ? new TransferError("peer_lost", "The receiver does not answer")
          : new TransferError("timeout", "Nobody received the transfer within the lease"),
      );
    }
    if (this.#isOpen) this.#send({ kind: "ping", sequence: this.#sent });
    else this.#open();
  }

  #watchSignal(signal: AbortSignal | undefined): void {
    if (!signal) return;
    const onAbort = () => this.abort(String(signal.reason));
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    this.#releases.push(() => signal.removeEventListener("abort", onAbort));
  }

  #send(message: OutgoingMessage): void {
    const { link, inbox } = this.#transport;
    link.publish(this.#identity.subject, {
      ...message,
      replyTo: inbox.address(this.#identity.senderId),
    });
  }

  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#writing.then(work);
    // The next one starts whatever became of this one; this one's caller is told.
    this.#writing = result.catch(() => {});
    return result;
  }

  #throwIfOver(): void {
    if (this.#failure) throw this.#failure;
    if (this.#isOver) throw new TransferError("closed", "The transfer was finished before");
  }

  #failAndTell(failure: TransferError): void {
    if (this.#isOver) return;
    const body: AbortBody = { reason: failure.reason, text: failure.message };
    this.#send({ kind: "abort", data: encodePayload(body) });
    this.#fail(failure);
  }

  #fail(failure: TransferError): void {
    if (this.#isOver) return;
    this.#failure = failure;
    this.#release();
    this.#done.reject(failure);
    this.#wake();
  }

  #wake(): void {
    this.#credit.resolve();
    this.#credit = Promise.withResolvers();
  }

  #release(): void {
    this.#isOver = true;
    for (const release of this.#releases.splice(0)) release();
  }
}
