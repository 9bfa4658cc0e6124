/**
 * Streams the KV blocks of one prompt to the decode worker while later chunks still compute.
 *
 * The engine's events must not wait for the network, so parts queue here; what queues is bounded by
 * the prompt's own KV. The first failure stops the transfer and is told once, by `finish`.
 */

import { type Bus, HandlerError, type OutgoingTransfer, type TransferStats } from "../bus/mod.ts";
import { epochMs } from "../clock/epoch_clock.ts";
import type { KvEnd, KvPart } from "../messages/mod.ts";
import type { ActiveSpan } from "../telemetry/telemetry.ts";
import { transferAttributes } from "./transfer_attributes.ts";

/** Header of a transfer: the sender's `handle_payload`, to which the receiver's links. */
export const SENDER_TRACEPARENT = "sender-traceparent";

export class KvSender {
  readonly #span: ActiveSpan<"kv_send">;
  readonly #transfer: OutgoingTransfer;
  #sending: Promise<void> = Promise.resolve();
  #blocks = 0;
  #bytes = 0;
  #isOver = false;

  constructor(
    bus: Bus,
    request: ActiveSpan<"handle_payload">,
    transferId: string,
    { promptTokens, ...options }: { promptTokens: number; leaseMs: number; signal: AbortSignal },
  ) {
    this.#span = request.child("kv_send", {
      attributes: { "kv.transfer_id": transferId, "kv.tokens": promptTokens },
    });
    const { traceparent: sender = "" } = request.headers();
    this.#transfer = bus.send(bus.transferSubject(transferId), {
      ...options,
      headers: { ...this.#span.headers(), [SENDER_TRACEPARENT]: sender },
    });
  }

  /** Queues whole blocks. */
  push(part: KvPart, data: Uint8Array): void {
    this.#blocks += part.blocks;
    this.#bytes += data.byteLength;
    this.#sending = this.#sending.then(() => this.#transfer.write(part, data));
    // Told by finish(); until then nobody awaits this promise.
    this.#sending.catch(() => {});
  }

  /**
   * Ends the transfer. Throws a HandlerError `transfer_failed` when any part of it failed: abort it.
   * @param options.firstTokenAtMs epoch milliseconds
   */
  async finish(
    { firstTokenAtMs, ...end }: Omit<KvEnd, "sinceFirstTokenMs"> & { firstTokenAtMs: number },
  ): Promise<TransferStats> {
    try {
      await this.#sending;
      const sinceFirstTokenMs = Math.max(0, epochMs() - firstTokenAtMs);
      const stats = await this.#transfer.finish({ ...end, sinceFirstTokenMs } satisfies KvEnd);
      this.#span.set({
        ...transferAttributes(stats),
        "kv.blocks": this.#blocks,
      });
      this.#isOver = true;
      this.#span.end();
      return stats;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new HandlerError("transfer_failed", `Cannot send the KV blocks: ${message}`);
    }
  }

  /** Tells the receiver that nothing more comes. Harmless after the end. */
  abort(errorType: string, message: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#transfer.abort(message);
    if (errorType !== "cancelled") this.#span.fail(errorType, message);
    this.#span.set({ "kv.blocks": this.#blocks, "kv.bytes": this.#bytes });
    this.#span.end();
  }
}
