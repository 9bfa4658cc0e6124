/** Receives the KV blocks of one prompt into a reserved sequence. */

import { HandlerError, type IncomingTransfer, type TransferStats } from "../bus/mod.ts";
import { epochMs } from "../clock/epoch_clock.ts";
import { BLOCK_TOKENS } from "../engine/backend.ts";
import type { EngineSequence } from "../engine/engine.ts";
import { type KvEnd, parseKvEnd, parseKvPart } from "../messages/mod.ts";
import type { ActiveSpan, RequestIds, SpanReference, Telemetry } from "../telemetry/telemetry.ts";
import { callFailure } from "./call_failure.ts";
import { SENDER_TRACEPARENT } from "./kv_sender.ts";
import { transferAttributes } from "./transfer_attributes.ts";

export interface KvReceipt {
  readonly end: KvEnd;
  readonly receive: SpanReference;
  readonly stats: TransferStats;
}

export interface KvReceiverOptions {
  readonly promptTokens: number;
  readonly blockBytes: number;
  readonly ids: RequestIds;
  readonly transferId: string;
  /** The call's own: aborted when its caller left or its time is up. */
  readonly signal: AbortSignal;
}

/**
 * Reads the transfer to its end. The `kv.receive` span is made when it is over: under the sender's
 * `kv.send` when it succeeded, under this worker's own `handle_payload` when it did not, or when the
 * sender died before its spans had left, so that a dead sender leaves no orphan. Throws a HandlerError:
 * `transfer_failed`, or why the call was aborted.
 */
export async function receiveKv(
  telemetry: Telemetry,
  request: ActiveSpan<"handle_payload">,
  transfer: IncomingTransfer,
  sequence: EngineSequence,
  options: KvReceiverOptions,
): Promise<KvReceipt> {
  const startMs = epochMs();
  const totalBlocks = blocksOf(options.promptTokens);
  let nextBlock = 0;
  try {
    for await (const part of transfer) {
      if (part.kind === "part") {
        const { firstBlock, blocks } = parseKvPart(part.meta);
        if (firstBlock !== nextBlock || firstBlock + blocks > totalBlocks) {
          throw new TypeError(
            `blocks ${firstBlock} to ${
              firstBlock + blocks
            } came where ${nextBlock} of ${totalBlocks} was due`,
          );
        }
        if (part.data.byteLength !== blocks * options.blockBytes) {
          throw new TypeError(
            `${blocks} blocks came with ${part.data.byteLength} bytes, ${options.blockBytes} each were due`,
          );
        }
        nextBlock += blocks;
        sequence.importKv(firstBlock, part.data);
      } else {
        if (nextBlock !== totalBlocks) {
          throw new TypeError(`the transfer ended after ${nextBlock} of ${totalBlocks} blocks`);
        }
        const headers = await transfer.opened;
        const sender = telemetry.reference({ traceparent: headers[SENDER_TRACEPARENT] ?? "" });
        if (sender !== null) request.link(sender);
        const receive = telemetry.serverSpan("kv_receive", headers, options.ids, {
          startMs: part.stats.startedAtMs,
          attributes: {
            ...transferAttributes(part.stats),
            "kv.transfer_id": options.transferId,
            "kv.blocks": totalBlocks,
            "kv.tokens": options.promptTokens,
          },
          standInParent: request,
        });
        receive.end(part.stats.endedAtMs);
        return { end: parseKvEnd(part.meta), receive, stats: part.stats };
      }
    }
    throw new TypeError("the transfer ended without its last message");
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const failed = request.child("kv_receive", {
      startMs,
      attributes: {
        "kv.transfer_id": options.transferId,
        "kv.blocks": nextBlock,
        "kv.bytes": nextBlock * options.blockBytes,
      },
    });
    const failure = options.signal.aborted
      ? callFailure(error, options.signal)
      : new HandlerError("transfer_failed", `Cannot receive the KV blocks: ${message}`);
    if (failure.code !== "cancelled") failed.fail(failure.code, message);
    failed.end();
    throw failure;
  } finally {
    transfer.close();
  }
}

/** KV blocks of a prompt, the last one possibly part-filled. */
export function blocksOf(promptTokens: number): number {
  return Math.ceil(promptTokens / BLOCK_TOKENS);
}
