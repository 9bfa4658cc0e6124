/**
 * Bulk transfers: parts of any size over messages that a NATS server accepts.
 *
 * Sender to the receiver's subject, its own inbox address as reply:
 *
 * | kind     | sequence           | data                                              |
 * |----------|--------------------|---------------------------------------------------|
 * | `open`   |                    | none; the headers are the caller's (trace context) |
 * | `part`   | n                  | `PartHeader`; its chunks follow                   |
 * | `chunk`  | n                  | raw bytes                                         |
 * | `finish` | count of the above | `Trailer`                                         |
 * | `ping`   | count so far       | none                                              |
 * | `abort`  |                    | `AbortBody`                                       |
 *
 * Receiver to the sender's address, the receiver's subject as reply: `credit` (the count of parts
 * and chunks that may be sent in all), `done`, `abort`.
 *
 * - `part` and `chunk` are numbered together from 0 and each takes one credit. Credit is a total, not
 *   an increment, and is repeated at every tick: a lost one repairs itself. A lost `part` or `chunk`
 *   does not; the number of the next message, or of a ping, shows the gap and ends the transfer.
 * - The receiver grants a window beyond what its reader has taken (`credit_window.ts`), which bounds
 *   the memory at both ends: the sender holds no more than the window in its socket, the receiver no
 *   more than the window and the parts it is about to hand over.
 * - Both ends send at every tick. The server's "no responders" tells at once that the other end has
 *   died; `leaseMs` of silence tells that it hangs. Either way this end frees what it holds.
 * - The sender repeats `open` until somebody listens, so the two may start in any order.
 * - The CRC-32 of all parts' bytes in order travels in the trailer. It guards against faults of the
 *   transport and of this code, not against an attacker.
 *
 * Not done here: resuming. A transfer that fails is sent again by whoever asked for it.
 */

import { TransferError } from "./bus.ts";
import { decodePayload } from "./payload.ts";

/** Bytes of a chunk: small enough that a token frame on the same connection waits under 1 ms. */
export const MAX_CHUNK_BYTES = 256 * 1024;

/** What a message's subject and headers may take of the server's max payload. */
const HEADROOM_BYTES = 1024;

/** The largest part that a receiver accepts when it was told no other limit. */
export const MAX_PART_BYTES = 2 ** 30;

export const DEFAULT_LEASE_MS = 10_000;

export interface PartHeader {
  readonly bytes: number;
  readonly meta: unknown;
}

export interface Trailer {
  readonly bytes: number;
  readonly checksum: number;
  readonly creditWaitMs: number;
  /** Of that, before the first part left: the receiver knows nothing of it. */
  readonly firstCreditWaitMs: number;
  readonly meta: unknown;
}

export interface AbortBody {
  readonly reason: TransferError["reason"];
  readonly text: string;
}

const REASONS: readonly string[] = [
  "timeout",
  "checksum",
  "sequence",
  "aborted",
  "peer_lost",
  "closed",
];

/** Bytes of one chunk under a server's max payload. */
export function chunkBytesUnder(maxPayloadBytes: number): number {
  return Math.max(1, Math.min(MAX_CHUNK_BYTES, maxPayloadBytes - HEADROOM_BYTES));
}

/** Throws a TransferError `sequence` when the message is malformed or announces too much. */
export function decodePartHeader(data: Uint8Array, maxBytes: number): PartHeader {
  const header = decodeObject(data);
  const bytes = header.bytes;
  if (!isCount(bytes) || bytes > maxBytes) {
    throw new TransferError(
      "sequence",
      `Cannot receive a part of ${bytes} bytes: between 0 and ${maxBytes} is accepted`,
    );
  }
  return { bytes, meta: header.meta };
}

/** Throws a TransferError `sequence` when the message is malformed. */
export function decodeTrailer(data: Uint8Array): Trailer {
  const { bytes, checksum, creditWaitMs, firstCreditWaitMs, meta } = decodeObject(data);
  const areTimes = typeof creditWaitMs === "number" && typeof firstCreditWaitMs === "number";
  if (!isCount(bytes) || !isCount(checksum) || !areTimes) {
    throw new TransferError("sequence", "Cannot end the transfer: its trailer is malformed");
  }
  return { bytes, checksum, creditWaitMs, firstCreditWaitMs, meta };
}

/** The error that the other end's `abort` stands for. */
export function decodeAbort(data: Uint8Array, sender: string): TransferError {
  let body: Partial<AbortBody> = {};
  try {
    body = decodeObject(data);
  } catch {
    // The other end has given up all the same; its reason is unreadable.
  }
  const text = typeof body.text === "string" ? body.text : "it gave no reason";
  return new TransferError(
    isReason(body.reason) ? body.reason : "aborted",
    `The ${sender} gave up: ${text}`,
  );
}

function decodeObject(data: Uint8Array): Record<string, unknown> {
  let body: unknown;
  try {
    body = decodePayload(data);
  } catch {
    // Falls through: undefined is not an object.
  }
  if (typeof body !== "object" || body === null) {
    throw new TransferError("sequence", "Cannot read the transfer: a message is malformed");
  }
  return body as Record<string, unknown>;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isReason(value: unknown): value is TransferError["reason"] {
  return typeof value === "string" && REASONS.includes(value);
}
