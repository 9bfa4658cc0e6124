/**
 * Reads a tar stream entry by entry: POSIX ustar with its prefix field, GNU long names (`L`), pax
 * `path` and `size` records. Nothing is ever written by name here: the caller takes the bytes of
 * the entries it asked for, so links, devices and `..` in names cannot reach the file system.
 */

import { DownloadError } from "./errors.ts";

export interface TarEntry {
  readonly name: string;
  readonly sizeBytes: number;
  /** The content; what is left unread when the next entry is asked for is skipped. */
  readonly body: AsyncIterable<Uint8Array>;
}

const BLOCK = 512;
/** Long names and pax records are buffered; real ones are below 1 KiB. */
const MAX_HEADER_BYTES = 64 * 1024;
/** An npm tarball of this many files is an attack on time. */
const MAX_ENTRIES = 200_000;

/** Yields the regular files of a tar stream. Throws a DownloadError (`bad_archive`). */
export async function* readTar(stream: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const source = new ByteSource(stream);
  let longName: string | undefined;
  let pax: ReadonlyMap<string, string> = new Map();
  try {
    for (let entries = 0;; entries++) {
      if (entries > MAX_ENTRIES) throw broken(`more than ${MAX_ENTRIES} entries`);
      const header = await source.take(BLOCK);
      if (header.every((byte) => byte === 0)) return;
      checkHeader(header);
      const type = String.fromCharCode(header[156] ?? 0);
      const sizeBytes = pax.has("size") ? decimal(pax.get("size")) : numberField(header, 124, 12);
      const paddedBytes = Math.ceil(sizeBytes / BLOCK) * BLOCK;
      if (type === "L" || type === "x" || type === "g") {
        if (sizeBytes > MAX_HEADER_BYTES) throw broken(`a header of ${sizeBytes} bytes`);
        const content = (await source.take(paddedBytes)).subarray(0, sizeBytes);
        if (type === "L") longName = textField(content, 0, content.length);
        if (type === "x") pax = paxRecords(content);
        continue;
      }
      const name = pax.get("path") ?? longName ?? headerName(header);
      longName = undefined;
      pax = new Map();
      const body = source.body(sizeBytes);
      if (type === "0" || type === "\0" || type === "7") yield { name, sizeBytes, body };
      await body.skipRest();
      await source.skip(paddedBytes - sizeBytes);
    }
  } finally {
    await source.close();
  }
}

function broken(what: string): DownloadError {
  return new DownloadError("bad_archive", `Cannot read the tar archive: it has ${what}`);
}

function checkHeader(header: Uint8Array): void {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 32 : header[i] ?? 0;
  if (numberField(header, 148, 8) !== sum) throw broken("a damaged header");
}

function headerName(header: Uint8Array): string {
  const name = textField(header, 0, 100);
  const isUstar = textField(header, 257, 5) === "ustar";
  // GNU archives use the prefix field for other things, and say so by "ustar  ".
  const prefix = isUstar && header[262] === 0 ? textField(header, 345, 155) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

function textField(bytes: Uint8Array, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

function numberField(header: Uint8Array, start: number, length: number): number {
  const first = header[start] ?? 0;
  if ((first & 0x80) !== 0) {
    let value = first & 0x7f;
    for (let i = 1; i < length; i++) value = value * 256 + (header[start + i] ?? 0);
    return safeSize(value);
  }
  const digits = textField(header, start, length).trim();
  if (!/^[0-7]*$/.test(digits)) throw broken(`"${digits}" where a number should be`);
  return safeSize(digits === "" ? 0 : parseInt(digits, 8));
}

function decimal(text: string | undefined): number {
  if (text === undefined || !/^\d+$/.test(text)) throw broken(`"${text}" as a size`);
  return safeSize(Number(text));
}

function safeSize(value: number): number {
  if (!Number.isSafeInteger(value)) throw broken(`a size of ${value}`);
  return value;
}

/** Records of the form `<length> <key>=<value>\n`. */
function paxRecords(content: Uint8Array): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  const decoder = new TextDecoder();
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(32, at);
    const length = space < 0 ? NaN : Number(decoder.decode(content.subarray(at, space)));
    if (!Number.isInteger(length) || length <= space - at || at + length > content.length) {
      throw broken("a damaged pax record");
    }
    const record = decoder.decode(content.subarray(space + 1, at + length - 1));
    const equals = record.indexOf("=");
    if (equals < 1) throw broken("a damaged pax record");
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}

/** Hands out the bytes of a chunked stream in the amounts asked for. */
class ByteSource {
  #iterator: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#iterator = stream[Symbol.asyncIterator]();
  }

  /** Up to `max` bytes, at least one. */
  async next(max: number): Promise<Uint8Array> {
    while (this.#chunk.length === 0) {
      const { value, done } = await this.#iterator.next();
      if (done) throw broken("fewer bytes than its headers say: it is truncated");
      this.#chunk = value;
    }
    const part = this.#chunk.subarray(0, max);
    this.#chunk = this.#chunk.subarray(part.length);
    return part;
  }

  async take(count: number): Promise<Uint8Array> {
    const taken = new Uint8Array(count);
    for (let filled = 0; filled < count;) {
      const part = await this.next(count - filled);
      taken.set(part, filled);
      filled += part.length;
    }
    return taken;
  }

  async skip(count: number): Promise<void> {
    for (let left = count; left > 0;) left -= (await this.next(left)).length;
  }

  body(sizeBytes: number): EntryBody {
    return new EntryBody(this, sizeBytes);
  }

  async close(): Promise<void> {
    await this.#iterator.return?.();
  }
}

class EntryBody implements AsyncIterable<Uint8Array> {
  #source: ByteSource;
  #leftBytes: number;

  constructor(source: ByteSource, sizeBytes: number) {
    this.#source = source;
    this.#leftBytes = sizeBytes;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    while (this.#leftBytes > 0) {
      const part = await this.#source.next(this.#leftBytes);
      this.#leftBytes -= part.length;
      yield part;
    }
  }

  async skipRest(): Promise<void> {
    await this.#source.skip(this.#leftBytes);
    this.#leftBytes = 0;
  }
}
