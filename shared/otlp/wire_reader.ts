/**
 * Reads protobuf's wire format without copying.
 *
 * Everything that could make a decoder of hostile bytes misbehave ends in an OtlpError: lengths
 * beyond the message, numbers without an end, field number 0 and the retired groups.
 */

import { OtlpError } from "./errors.ts";

export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH_DELIMITED = 2;
export const FIXED32 = 5;

const TWO_32 = 4294967296;
/** Below it `String.fromCharCode` over bytes beats a TextDecoder. */
const SHORT_TEXT_BYTES = 24;
const DECODER = new TextDecoder();

export class WireReader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #end: number;
  #position = 0;
  /** Of the field whose tag was read last. */
  field = 0;
  wireType = 0;
  #low = 0;
  #high = 0;

  /** `parent` reads the same bytes. */
  constructor(bytes: Uint8Array, parent?: WireReader) {
    this.bytes = bytes;
    // Making a view costs as much as reading a short message.
    this.#view = parent === undefined
      ? new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      : parent.#view;
    this.#end = bytes.length;
  }

  get position(): number {
    return this.#position;
  }

  /** Reads the next tag; false at the end of the message. */
  next(): boolean {
    if (this.#position >= this.#end) return false;
    this.#varint();
    const tag = this.#low;
    this.field = (tag >>> 3) + this.#high * (TWO_32 / 8);
    this.wireType = tag & 7;
    if (this.field === 0) throw this.#error("has field number 0");
    return true;
  }

  /** Skips the value of the current field. */
  skip(): void {
    if (this.wireType === VARINT) this.#varint();
    else if (this.wireType === FIXED64) this.#advance(8);
    else if (this.wireType === LENGTH_DELIMITED) this.#advance(this.#length());
    else if (this.wireType === FIXED32) this.#advance(4);
    else throw this.#error(`has wire type ${this.wireType}, which OTLP does not use`);
  }

  uint32(): number {
    this.#expect(VARINT);
    this.#varint();
    return this.#low;
  }

  bool(): boolean {
    this.#expect(VARINT);
    this.#varint();
    return this.#low !== 0 || this.#high !== 0;
  }

  /** A number where one holds the value exactly, else a bigint. */
  int64(): number | bigint {
    this.#expect(VARINT);
    this.#varint();
    const signedHigh = this.#high | 0;
    const value = signedHigh * TWO_32 + this.#low;
    if (Number.isSafeInteger(value)) return value;
    return BigInt.asIntN(64, (BigInt(this.#high) << 32n) | BigInt(this.#low));
  }

  fixed64(): bigint {
    this.#expect(FIXED64);
    return this.#view.getBigUint64(this.#claim(8), true);
  }

  fixed32(): number {
    this.#expect(FIXED32);
    return this.#view.getUint32(this.#claim(4), true);
  }

  double(): number {
    this.#expect(FIXED64);
    return this.#view.getFloat64(this.#claim(8), true);
  }

  string(): string {
    this.#expect(LENGTH_DELIMITED);
    const length = this.#length();
    const start = this.#claim(length);
    const end = start + length;
    if (length > SHORT_TEXT_BYTES) return DECODER.decode(this.bytes.subarray(start, end));
    let text = "";
    for (let at = start; at < end; at++) {
      const byte = this.bytes[at];
      if (byte > 127) return DECODER.decode(this.bytes.subarray(start, end));
      text += String.fromCharCode(byte);
    }
    return text;
  }

  /** The bytes of a length-delimited value, as a view. */
  slice(): Uint8Array {
    this.#expect(LENGTH_DELIMITED);
    const length = this.#length();
    const start = this.#claim(length);
    return this.bytes.subarray(start, start + length);
  }

  /** A reader of the embedded message. */
  message(): WireReader {
    this.#expect(LENGTH_DELIMITED);
    const length = this.#length();
    const start = this.#claim(length);
    const reader = new WireReader(this.bytes, this);
    reader.#position = start;
    reader.#end = start + length;
    return reader;
  }

  /** From `start` to the current position, as a view. */
  since(start: number): Uint8Array {
    return this.bytes.subarray(start, this.#position);
  }

  /** The whole message, as a view; call before reading it. */
  rest(): Uint8Array {
    return this.bytes.subarray(this.#position, this.#end);
  }

  #expect(wireType: number): void {
    if (this.wireType === wireType) return;
    throw this.#error(`has wire type ${this.wireType} in field ${this.field}, not ${wireType}`);
  }

  #length(): number {
    this.#varint();
    if (this.#high !== 0) throw this.#error("has a length over 4 GiB");
    return this.#low;
  }

  #claim(count: number): number {
    const start = this.#position;
    this.#advance(count);
    return start;
  }

  #advance(count: number): void {
    if (count > this.#end - this.#position) throw this.#error("ends in the middle of a field");
    this.#position += count;
  }

  /** Reads 64 bits into `#low` and `#high`. */
  #varint(): void {
    const { bytes } = this;
    let byte = this.#byte(bytes);
    let low = byte & 127;
    let shift = 7;
    while (byte > 127 && shift < 28) {
      byte = this.#byte(bytes);
      low += (byte & 127) * 2 ** shift;
      shift += 7;
    }
    this.#high = 0;
    if (byte > 127) {
      byte = this.#byte(bytes);
      low += (byte & 15) * 2 ** 28;
      let high = (byte & 127) >>> 4;
      for (shift = 3; byte > 127; shift += 7) {
        if (shift > 31) throw this.#error("has a number longer than 10 bytes");
        byte = this.#byte(bytes);
        high += (byte & 127) * 2 ** shift;
      }
      this.#high = high % TWO_32;
    }
    this.#low = low;
  }

  #byte(bytes: Uint8Array): number {
    if (this.#position >= this.#end) throw this.#error("ends in the middle of a number");
    return bytes[this.#position++];
  }

  #error(what: string): OtlpError {
    return new OtlpError(`Cannot decode the protobuf: byte ${this.#position} ${what}`);
  }
}
