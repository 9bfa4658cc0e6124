/** Puts a transfer's messages back together, and refuses what is out of order or damaged. */

import { crc32 } from "node:zlib";
import { TransferError } from "./bus.ts";
import type { PartHeader, Trailer } from "./transfer_message.ts";

export interface CompletePart {
  readonly meta: unknown;
  readonly data: Uint8Array<ArrayBuffer>;
  /** The part's own message and its chunks. */
  readonly messages: number;
}

interface OpenPart {
  readonly meta: unknown;
  readonly data: Uint8Array<ArrayBuffer>;
  filled: number;
  messages: number;
}

export class PartAssembler {
  #next = 0;
  #part?: OpenPart;
  #bytes = 0;
  #chunks = 0;
  #checksum = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get chunks(): number {
    return this.#chunks;
  }

  /** Begins a part; returns it when it is empty and so complete. Throws a TransferError. */
  beginPart(sequence: number, header: PartHeader): CompletePart | undefined {
    this.#advance(sequence);
    if (this.#part) {
      throw new TransferError("sequence", "A part began before the last one was whole");
    }
    const data = new Uint8Array(header.bytes);
    this.#part = { meta: header.meta, data, filled: 0, messages: 1 };
    return this.#takeComplete();
  }

  /** Adds a chunk, copied; returns the part that it completes. Throws a TransferError. */
  addChunk(sequence: number, chunk: Uint8Array): CompletePart | undefined {
    this.#advance(sequence);
    const part = this.#part;
    if (!part || part.filled + chunk.byteLength > part.data.byteLength) {
      throw new TransferError("sequence", `Chunk ${sequence} does not belong to a part`);
    }
    part.data.set(chunk, part.filled);
    part.filled += chunk.byteLength;
    part.messages++;
    this.#bytes += chunk.byteLength;
    this.#chunks++;
    this.#checksum = crc32(chunk, this.#checksum);
    return this.#takeComplete();
  }

  /** Throws a TransferError `sequence` when fewer messages came than the sender has sent. */
  checkCount(sequence: number): void {
    if (sequence === this.#next) return;
    throw new TransferError(
      "sequence",
      `${this.#next} messages came of ${sequence} that were sent`,
    );
  }

  /** Verifies the whole against the sender's trailer. Throws a TransferError. */
  finish(sequence: number, trailer: Trailer): void {
    this.checkCount(sequence);
    if (this.#part) throw new TransferError("sequence", "The transfer ended inside a part");
    if (trailer.bytes !== this.#bytes || trailer.checksum !== this.#checksum) {
      throw new TransferError(
        "checksum",
        `${this.#bytes} bytes with CRC-32 ${this.#checksum} came; ` +
          `${trailer.bytes} with ${trailer.checksum} were sent`,
      );
    }
  }

  #advance(sequence: number): void {
    if (sequence !== this.#next) {
      throw new TransferError("sequence", `Message ${sequence} came where ${this.#next} was due`);
    }
    this.#next++;
  }

  #takeComplete(): CompletePart | undefined {
    const part = this.#part;
    if (!part || part.filled < part.data.byteLength) return undefined;
    this.#part = undefined;
    return { meta: part.meta, data: part.data, messages: part.messages };
  }
}
