/** The receiving end of a bulk transfer. The protocol is in `transfer_message.ts`. */

import { epochMs } from "../clock/epoch_clock.ts";
import {
  type Headers,
  type IncomingPart,
  type IncomingTransfer,
  type ReceiveOptions,
  TransferError,
} from "./bus.ts";
import { CreditWindow } from "./credit_window.ts";
import type { Link } from "./link.ts";
import { Mailbox } from "./mailbox.ts";
import { type IncomingMessage, NO_RESPONDERS } from "./message.ts";
import { type CompletePart, PartAssembler } from "./part_assembler.ts";
import { encodePayload } from "./payload.ts";
import type { TickSource } from "./ticker.ts";
import {
  type AbortBody,
  decodeAbort,
  decodePartHeader,
  decodeTrailer,
  DEFAULT_LEASE_MS,
  MAX_PART_BYTES,
} from "./transfer_message.ts";
import type { Closable } from "./transport.ts";

export interface ReceiverTransport {
  readonly link: Link;
  readonly ticker: TickSource;
  /** Messages that this transfer may hold. */
  readonly windowMessages: () => number;
  /** The transfers that are not over. */
  readonly open: Set<Closable>;
}

interface Delivery {
  readonly part: IncomingPart;
  readonly messages: number;
}

export class TransferReceiver implements IncomingTransfer, Closable {
  readonly opened: Promise<Headers>;
  readonly #transport: ReceiverTransport;
  readonly #subject: string;
  readonly #leaseTicks: number;
  readonly #maxPartBytes: number;
  readonly #opened = Promise.withResolvers<Headers>();
  readonly #deliveries = new Mailbox<Delivery>();
  readonly #assembler = new PartAssembler();
  readonly #window: CreditWindow;
  readonly #releases: (() => void)[] = [];
  #sender = "";
  #startedAtMs?: number;
  #silentTicks = 0;
  #isOver = false;

  constructor(transport: ReceiverTransport, subject: string, options: ReceiveOptions) {
    this.#transport = transport;
    this.#subject = subject;
    this.#leaseTicks = transport.ticker.ticksOf(options.leaseMs ?? DEFAULT_LEASE_MS);
    this.#maxPartBytes = options.maxPartBytes ?? MAX_PART_BYTES;
    this.#window = new CreditWindow(transport.windowMessages);
    this.opened = this.#opened.promise;
    // Iterating tells of a failure too; not every reader asks for the headers.
    this.opened.catch(() => {});
    const subscription = transport.link.subscribe(subject, (message) => this.#receive(message));
    transport.open.add(this);
    this.#releases.push(
      () => transport.open.delete(this),
      () => subscription.stop(),
      transport.ticker.add(() => this.#tick()),
    );
    this.#watchSignal(options.signal);
  }

  [Symbol.asyncIterator](): AsyncIterator<IncomingPart, undefined> {
    return {
      next: () => this.#next(),
      return: () => {
        this.close();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  close(): void {
    this.#deliveries.clear();
    this.#failAndTell(new TransferError("closed", "The receiver closed the transfer"));
  }

  async #next(): Promise<IteratorResult<IncomingPart, undefined>> {
    const taken = await this.#deliveries.take();
    if (taken.done) return taken;
    this.#window.release(taken.value.messages);
    this.#grant();
    return { done: false, value: taken.value.part };
  }

  #receive(message: IncomingMessage): void {
    if (message.kind === NO_RESPONDERS) {
      return this.#fail(new TransferError("peer_lost", "The sender has gone"));
    }
    if (!message.replyTo) return;
    if (message.kind === "open") return this.#open(message);
    if (!this.#sender || message.replyTo !== this.#sender) return;
    this.#silentTicks = 0;
    try {
      this.#accept(message);
    } catch (error) {
      this.#failAndTell(
        // Anything else is this end's own trouble, such as no memory for the part.
        error instanceof TransferError ? error : new TransferError("aborted", String(error)),
      );
    }
  }

  #open(message: IncomingMessage): void {
    if (this.#sender && message.replyTo !== this.#sender) {
      return this.#tell(
        message.replyTo,
        new TransferError("closed", "Another sender has this transfer"),
      );
    }
    this.#silentTicks = 0;
    if (!this.#sender) {
      this.#sender = message.replyTo;
      this.#opened.resolve(message.headers);
      this.#window.grant();
    }
    this.#sendCredit();
  }

  #accept(message: IncomingMessage): void {
    switch (message.kind) {
      case "part":
        this.#startedAtMs ??= epochMs();
        this.#countCredit();
        return this.#deliver(
          this.#assembler.beginPart(
            message.sequence,
            decodePartHeader(message.data, this.#maxPartBytes),
          ),
        );
      case "chunk":
        this.#countCredit();
        return this.#deliver(this.#assembler.addChunk(message.sequence, message.data));
      case "ping":
        return this.#assembler.checkCount(message.sequence);
      case "finish":
        return this.#finish(message);
      case "abort":
        return this.#fail(decodeAbort(message.data, "sender"));
    }
  }

  #countCredit(): void {
    if (!this.#window.receive()) {
      throw new TransferError("sequence", "The sender sent more than it had credit for");
    }
  }

  #deliver(complete: CompletePart | undefined): void {
    if (complete) {
      const { meta, data, messages } = complete;
      this.#window.hold(messages);
      this.#deliveries.push({ part: { kind: "part", meta, data }, messages });
    }
    this.#grant();
  }

  #finish(message: IncomingMessage): void {
    const trailer = decodeTrailer(message.data);
    this.#assembler.finish(message.sequence, trailer);
    const endedAtMs = epochMs();
    const startedAtMs = this.#startedAtMs ?? endedAtMs;
    const { creditWaitMs, firstCreditWaitMs } = trailer;
    const stats = {
      bytes: this.#assembler.bytes,
      chunks: this.#assembler.chunks,
      startedAtMs,
      endedAtMs,
      creditWaitMs,
      wireMs: Math.max(0, endedAtMs - startedAtMs - (creditWaitMs - firstCreditWaitMs)),
    };
    this.#transport.link.publish(this.#sender, { kind: "done" });
    this.#release();
    this.#deliveries.push({ part: { kind: "finished", meta: trailer.meta, stats }, messages: 0 });
    this.#deliveries.end();
  }

  #grant(): void {
    if (!this.#isOver && this.#sender && this.#window.grant()) this.#sendCredit();
  }

  #sendCredit(): void {
    this.#transport.link.publish(this.#sender, {
      kind: "credit",
      sequence: this.#window.granted,
      replyTo: this.#subject,
    });
  }

  #tick(): void {
    if (++this.#silentTicks > this.#leaseTicks) {
      return this.#failAndTell(
        this.#sender
          ? new TransferError("peer_lost", "The sender does not answer")
          : new TransferError("timeout", "No sender opened the transfer within the lease"),
      );
    }
    if (this.#sender) this.#sendCredit();
  }

  #watchSignal(signal: AbortSignal | undefined): void {
    if (!signal) return;
    const onAbort = () => {
      this.#deliveries.clear();
      this.#failAndTell(new TransferError("aborted", String(signal.reason)));
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    this.#releases.push(() => signal.removeEventListener("abort", onAbort));
  }

  #failAndTell(failure: TransferError): void {
    if (this.#isOver) return;
    if (this.#sender) this.#tell(this.#sender, failure);
    this.#fail(failure);
  }

  #tell(sender: string, failure: TransferError): void {
    const body: AbortBody = { reason: failure.reason, text: failure.message };
    this.#transport.link.publish(sender, { kind: "abort", data: encodePayload(body) });
  }

  #fail(failure: TransferError): void {
    if (this.#isOver) return;
    this.#release();
    this.#opened.reject(failure);
    this.#deliveries.fail(failure);
  }

  #release(): void {
    this.#isOver = true;
    for (const release of this.#releases.splice(0)) release();
  }
}
