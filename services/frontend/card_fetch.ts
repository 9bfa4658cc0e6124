/**
 * Fetches a model card from a worker: the worker sends it as one part of a bulk transfer that we name
 * in the call.
 *
 * The card is believed only when its sha256 is the digest that the worker's heartbeats announce, and
 * when it has the fields that this version reads.
 */

import type { Bus, Headers, IncomingTransfer } from "../../shared/bus/bus.ts";
import { epochMs } from "../../shared/clock/epoch_clock.ts";
import {
  endpointSubject,
  type InstanceRecord,
  type ModelCard,
  parseModelCard,
} from "../../shared/messages/mod.ts";

/** A 256k-token vocabulary with merges is below 16 MiB. */
const MAX_CARD_BYTES = 64 * 1024 * 1024;

export interface CardFetchOptions {
  readonly timeoutMs: number;
  /** Of the call: its trace context. */
  readonly headers: Headers;
}

/** Throws when the worker does not send the card in time, or sends another one than it announced. */
export async function fetchModelCard(
  bus: Bus,
  instance: InstanceRecord,
  { timeoutMs, headers }: CardFetchOptions,
): Promise<ModelCard> {
  const transferId = crypto.randomUUID();
  const subject = bus.transferSubject(transferId);
  const signal = AbortSignal.timeout(timeoutMs);
  const transfer = bus.receive(subject, {
    leaseMs: timeoutMs,
    signal,
    maxPartBytes: MAX_CARD_BYTES,
  });
  try {
    const [bytes] = await Promise.all([
      receiveCard(transfer),
      callCard(bus, instance, { transferId, signal, timeoutMs, headers }),
    ]);
    await verifyDigest(bytes, instance);
    return readCard(bytes, instance);
  } finally {
    transfer.close();
  }
}

async function callCard(
  bus: Bus,
  { namespace, role, instanceId }: InstanceRecord,
  options: {
    transferId: string;
    signal: AbortSignal;
    timeoutMs: number;
    headers: Headers;
  },
): Promise<void> {
  const payload = { transferId: options.transferId };
  const call = bus.call(endpointSubject(namespace, role, "card", instanceId), payload, {
    headers: options.headers,
    signal: options.signal,
    deadlineAtMs: epochMs() + options.timeoutMs,
  });
  for await (const _frame of call) { /* The card travels in the transfer; the call only ends. */ }
}

async function receiveCard(transfer: IncomingTransfer): Promise<Uint8Array<ArrayBuffer>> {
  let card: Uint8Array<ArrayBuffer> | null = null;
  for await (const part of transfer) {
    if (part.kind === "finished") break;
    if (card !== null) throw new TypeError("Cannot read the model card: it came in several parts");
    card = part.data;
  }
  if (card === null) throw new TypeError("Cannot read the model card: the transfer was empty");
  return card;
}

async function verifyDigest(
  bytes: Uint8Array<ArrayBuffer>,
  { instanceId, model }: InstanceRecord,
): Promise<void> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  if (digest !== model.cardDigest) {
    throw new TypeError(
      `Cannot use the model card of instance ${instanceId}: its sha256 is ${digest}, ` +
        `its heartbeats announce ${model.cardDigest}`,
    );
  }
}

function readCard(bytes: Uint8Array, { instanceId }: InstanceRecord): ModelCard {
  try {
    return parseModelCard(bytes);
  } catch (error) {
    const problem = error instanceof Error ? error.message : error;
    throw new TypeError(
      `Cannot read the model card of instance ${instanceId}: ${problem}; ` +
        "run the same version of Baton everywhere",
    );
  }
}
