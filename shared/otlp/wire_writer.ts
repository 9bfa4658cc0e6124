/** Writes protobuf's wire format into a buffer that grows. */

import { FIXED32, FIXED64, LENGTH_DELIMITED, VARINT } from "./wire_reader.ts";

const MAX_VARINT_BYTES = 10;
const ENCODER = new TextEncoder();

export class WireWriter {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** A copy of what was written; the writer is empty afterwards. */
  finish(): Uint8Array<ArrayBuffer> {
    const written = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return written;
  }

  uint32(field: number, value: number): void {
    this.#tag(field, VARINT);
    this.#varint(value);
  }

  bool(field: number, value: boolean): void {
    this.uint32(field, value ? 1 : 0);
  }

  int64(field: number, value: bigint): void {
    this.#tag(field, VARINT);
    let rest = BigInt.asUintN(64, value);
    this.#reserve(MAX_VARINT_BYTES);
    while (rest > 127n) {
      this.#bytes[this.#length++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
  }

  fixed32(field: number, value: number): void {
    this.#tag(field, FIXED32);
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  fixed64(field: number, value: bigint): void {
    this.#tag(field, FIXED64);
    this.#reserve(8);
    this.#view.setBigUint64(this.#length, value, true);
    this.#length += 8;
  }

  double(field: number, value: number): void {
    this.#tag(field, FIXED64);
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  bytes(field: number, value: Uint8Array): void {
    this.#tag(field, LENGTH_DELIMITED);
    this.#varint(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  string(field: number, value: string): void {
    // A UTF-16 unit takes three bytes of UTF-8 at most.
    this.#reserve(value.length * 3);
    this.message(field, () => {
      const { written } = ENCODER.encodeInto(value, this.#bytes.subarray(this.#length));
      this.#length += written;
    });
  }

  /** An embedded message that `write` fills; its length is put in front of it afterwards. */
  message(field: number, write: () => void): void {
    this.#tag(field, LENGTH_DELIMITED);
    this.#reserve(1);
    const lengthAt = this.#length++;
    write();
    const length = this.#length - lengthAt - 1;
    const lengthBytes = varintBytes(length);
    // Growing copies what is before the position: not once it is back at the length.
    this.#reserve(MAX_VARINT_BYTES);
    if (lengthBytes > 1) {
      this.#bytes.copyWithin(lengthAt + lengthBytes, lengthAt + 1, this.#length);
    }
    this.#length = lengthAt;
    this.#varint(length);
    this.#length += length;
  }

  #tag(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType);
  }

  #varint(value: number): void {
    this.#reserve(MAX_VARINT_BYTES);
    let rest = value;
    while (rest > 127) {
      this.#bytes[this.#length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  #reserve(count: number): void {
    const needed = this.#length + count + 16;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) count++;
  return count;
}
