/** Lines as UTF-8, without an allocation for each: what a log writes is garbage at once. */

const encoder = new TextEncoder();
/** UTF-8 of a UTF-16 unit, at most. */
const MAX_BYTES_PER_UNIT = 3;
/** Longer text is rare, and its buffer is not kept. */
const MAX_KEPT_UNITS = 64 * 1024;

export class LineEncoder {
  #buffer = new Uint8Array(0);

  /** The text's bytes, valid until the next call. */
  encode(text: string): Uint8Array {
    if (text.length > MAX_KEPT_UNITS) return encoder.encode(text);
    if (this.#buffer.length === 0) {
      this.#buffer = new Uint8Array(MAX_KEPT_UNITS * MAX_BYTES_PER_UNIT);
    }
    return this.#buffer.subarray(0, encoder.encodeInto(text, this.#buffer).written);
  }
}
