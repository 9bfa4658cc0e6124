/** Reads a GGUF header front to back through one small buffer, so that no file is ever held whole. */

import { ModelFileError } from "./errors.ts";

const BUFFER_BYTES = 1 << 20;

/** Primitive GGUF reads. Each refuses to pass the end of the file and tells the byte it stopped at. */
export class GgufBytes {
  readonly #file: Deno.FsFile;
  readonly #path: string;
  readonly #fileBytes: number;
  readonly #maxBytes: number;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #buffer = new Uint8Array(BUFFER_BYTES);
  #view = new DataView(this.#buffer.buffer);
  /** Unread bytes are `#start..#end` of the buffer. */
  #start = 0;
  #end = 0;
  #fileOffset = 0;

  /** `maxBytes`: a header that goes on after it is refused. */
  constructor(file: Deno.FsFile, options: { path: string; fileBytes: number; maxBytes: number }) {
    this.#file = file;
    this.#path = options.path;
    this.#fileBytes = options.fileBytes;
    this.#maxBytes = options.maxBytes;
  }

  /** File offset of the next unread byte. */
  get offset(): number {
    return this.#fileOffset;
  }

  /** Bytes that the rest of the header can have. */
  get remainingBytes(): number {
    return Math.min(this.#fileBytes, this.#maxBytes) - this.#fileOffset;
  }

  /** An error about the file at a byte, the current one by default. */
  error(problem: string, byteOffset = this.#fileOffset): ModelFileError {
    return new ModelFileError(this.#path, `${problem} (at byte ${byteOffset})`);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  i8(): number {
    return this.#view.getInt8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  i16(): number {
    return this.#view.getInt16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  f32(): number {
    return this.#view.getFloat32(this.#take(4), true);
  }

  f64(): number {
    return this.#view.getFloat64(this.#take(8), true);
  }

  /** A number, or a bigint where a number would lose digits. */
  u64(): number | bigint {
    const at = this.#take(8);
    const high = this.#view.getUint32(at + 4, true);
    // Counts and lengths, a hundred thousand in a vocabulary, make no bigint.
    return high < 2 ** 21
      ? high * 2 ** 32 + this.#view.getUint32(at, true)
      : this.#view.getBigUint64(at, true);
  }

  /** A number, or a bigint where a number would lose digits. */
  i64(): number | bigint {
    return narrowed(this.#view.getBigInt64(this.#take(8), true));
  }

  /** A u64 that counts or measures `what` and may be at most `limit`. */
  size(what: string, limit: number): number {
    const value = this.u64();
    if (typeof value === "bigint" || value > limit) {
      throw this.error(`${what} is ${value} and at most ${limit} is accepted`);
    }
    return value;
  }

  /** A length-prefixed UTF-8 string of at most `limit` bytes. */
  string(what: string, limit: number): string {
    const length = this.size(`the length of ${what}`, limit);
    const at = this.#take(length);
    try {
      return this.#decoder.decode(this.#buffer.subarray(at, at + length));
    } catch {
      throw this.error(`${what} is not UTF-8`);
    }
  }

  /** Passes over what `string` would read. */
  skipString(what: string, limit: number): void {
    this.#take(this.size(`the length of ${what}`, limit));
  }

  /** Makes `count` bytes available and returns their place in the buffer. */
  #take(count: number): number {
    if (count > this.remainingBytes) {
      throw this.error(
        this.#fileOffset + count > this.#fileBytes
          ? `the file ends in its header: a field needs ${count} bytes, ${this.remainingBytes} are left`
          : `its header is larger than ${this.#maxBytes} bytes`,
      );
    }
    if (this.#end - this.#start < count) this.#refill(count);
    const at = this.#start;
    this.#start += count;
    this.#fileOffset += count;
    return at;
  }

  #refill(count: number): void {
    if (count > this.#buffer.length) {
      throw this.error(`a field of ${count} bytes is larger than the ${BUFFER_BYTES}-byte buffer`);
    }
    this.#buffer.copyWithin(0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
    while (this.#end < count) {
      const read = this.#file.readSync(this.#buffer.subarray(this.#end));
      if (read === null) throw this.error("the file became shorter while it was read");
      this.#end += read;
    }
  }
}

function narrowed(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
