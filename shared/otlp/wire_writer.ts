/** Writes protobuf's wire format into a buffer that grows. */

import { FIXED32, FIXED64, LENGTH_DELIMITED, VARINT } from "./wire_reader.ts";

const MAX_VARINT_BYTES = 10;
const FIRST_BYTES = 1024;
/** A larger buffer is not kept: one huge message would hold its memory for good. */
const MAX_KEPT_BYTES = 4 * 1024 * 1024;
/** Longer text is encoded faster by the platform. */
const MAX_SHORT_TEXT = 64;
const ZERO = 48;
const LOWER_A = 97;
const ENCODER = new TextEncoder();

export class WireWriter {
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** A copy of what was written; the writer is empty afterwards. */
  finish(): Uint8Array<ArrayBuffer> {
    const written = this.#bytes.slice(0, this.#length);
    this.clear();
    return written;
  }

  /** Forgets what was written, as after a message that could not be. */
  clear(): void {
    this.#length = 0;
    if (this.#bytes.length > MAX_KEPT_BYTES) this.#useBuffer(new Uint8Array(FIRST_BYTES));
  }

  /** Also larger ones, up to 2^53. */
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

  /** The same from its two halves. */
  fixed64Halves(field: number, low: number, high: number): void {
    this.#tag(field, FIXED64);
    this.#reserve(8);
    this.#view.setUint32(this.#length, low, true);
    this.#view.setUint32(this.#length + 4, high, true);
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
    this.raw(value);
  }

  /** Fields that are encoded already. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  /** Bytes from their lower-case hexadecimal digits. */
  hex(field: number, digits: string): void {
    const count = digits.length / 2;
    this.#tag(field, LENGTH_DELIMITED);
    this.#varint(count);
    this.#reserve(count);
    for (let at = 0; at < digits.length; at += 2) {
      this.#bytes[this.#length++] = digitAt(digits, at) * 16 + digitAt(digits, at + 1);
    }
  }

  string(field: number, value: string): void {
    if (value.length <= MAX_SHORT_TEXT && this.#ascii(field, value)) return;
    // A UTF-16 unit takes three bytes of UTF-8 at most.
    this.#reserve(value.length * 3);
    this.message(field, () => {
      const { written } = ENCODER.encodeInto(value, this.#bytes.subarray(this.#length));
      this.#length += written;
    });
  }

  /** An embedded message that `write` fills. */
  message(field: number, write: () => void): void {
    const start = this.begin(field);
    write();
    this.end(start);
  }

  /** Begins an embedded message, to which all belongs until `end` with what it returns. */
  begin(field: number): number {
    this.#tag(field, LENGTH_DELIMITED);
    this.#reserve(1);
    return this.#length++;
  }

  /** Puts the length of the message in front of it. */
  end(lengthAt: number): void {
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

  /** Text of one byte a character, without a call for it; false, and nothing written, for other text. */
  #ascii(field: number, value: string): boolean {
    const start = this.#length;
    this.#tag(field, LENGTH_DELIMITED);
    this.#varint(value.length);
    this.#reserve(value.length);
    for (let at = 0; at < value.length; at++) {
      const code = value.charCodeAt(at);
      if (code > 127) {
        this.#length = start;
        return false;
      }
      this.#bytes[this.#length++] = code;
    }
    return true;
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
    this.#useBuffer(grown);
  }

  #useBuffer(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

function digitAt(digits: string, at: number): number {
  const code = digits.charCodeAt(at);
  return code >= LOWER_A ? code - LOWER_A + 10 : code - ZERO;
}

function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) count++;
  return count;
}
