/** Makes a worker's model card and serves it: all that a frontend needs of the model. */

import { encodeHex } from "@std/encoding/hex.js";
import { z } from "zod";
import { type Bus, type CallHandler, HandlerError } from "../bus/mod.ts";
import { BLOCK_TOKENS } from "../engine/backend.ts";
import { type ModelCard, modelCardBytes, SUBJECT_TOKEN } from "../messages/mod.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import { chatTemplateFromGguf, tokenizerDataFromGguf } from "../tokenizer/mod.ts";
import type { ModelFile } from "../weights/model_file.ts";

export interface EncodedCard {
  readonly card: ModelCard;
  readonly bytes: Uint8Array;
  /** sha256 of `bytes`, hex. */
  readonly digest: string;
}

/** Builds and encodes the card of an open model file. */
export async function encodeModelCard(
  file: ModelFile,
  options: { name: string; fileDigest: string },
): Promise<EncodedCard> {
  const chatTemplate = chatTemplateFromGguf(file.metadata);
  const card: ModelCard = {
    name: options.name,
    fileDigest: options.fileDigest,
    architecture: file.shape.architecture,
    parameterCount: file.parameterCount,
    contextLength: file.shape.contextLength,
    blockTokens: BLOCK_TOKENS,
    tokenizer: tokenizerDataFromGguf(file.metadata),
    ...(chatTemplate !== undefined && { chatTemplate }),
  };
  const bytes = modelCardBytes(card);
  const digest = encodeHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
  return { card, bytes, digest };
}

export interface CardHandlerOptions {
  readonly bus: Bus;
  readonly telemetry: Telemetry;
  readonly instanceId: string;
  /** Silence of the receiver after which the transfer is given up. */
  readonly leaseMs: number;
}

const cardRequest = z.object({ transferId: z.string().regex(SUBJECT_TOKEN) });

/** The handler of the `card` endpoint: sends the card as one part of the transfer that the call names. */
export function cardHandler(card: EncodedCard, options: CardHandlerOptions): CallHandler {
  const { bus, telemetry, instanceId, leaseMs } = options;
  return async function sendCard(call): Promise<void> {
    const parsed = cardRequest.safeParse(call.payload);
    if (!parsed.success) {
      throw new HandlerError("bad_request", "Cannot send the model card: no transfer in the call");
    }
    const span = telemetry.serverSpan("card_send", call.headers, null, {
      attributes: { instance_id: instanceId, "card.bytes": card.bytes.byteLength },
    });
    try {
      const transfer = bus.send(bus.transferSubject(parsed.data.transferId), {
        headers: span.headers(),
        leaseMs,
        signal: call.signal,
      });
      await transfer.write({ digest: card.digest }, card.bytes);
      await transfer.finish({ digest: card.digest });
    } catch (error) {
      span.fail("transfer_failed", error instanceof Error ? error.message : String(error));
      throw error;
    } finally {
      span.end();
    }
  };
}
