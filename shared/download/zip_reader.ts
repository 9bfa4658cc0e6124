/**
 * Reads single files out of a zip (wheels are zips) by its central directory.
 *
 * Refuses what a wheel never has: encryption, several disks, zip64, methods other than stored and
 * deflate. Names are only compared, never used as paths.
 */

import { crc32 } from "node:zlib";
import { DownloadError } from "./errors.ts";
import { readAt } from "./read_at.ts";

export interface ZipEntry {
  readonly name: string;
  readonly method: "stored" | "deflate";
  readonly compressedBytes: number;
  readonly sizeBytes: number;
  readonly crc32: number;
  readonly headerOffset: number;
}

const END_SIGNATURE = 0x06054b50;
const CENTRAL_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const END_BYTES = 22;
const CENTRAL_BYTES = 46;
const LOCAL_BYTES = 30;
const MAX_COMMENT_BYTES = 0xffff;
/** 100,000 files with long names; the directory is held in memory. */
const MAX_DIRECTORY_BYTES = 32 * 1024 * 1024;

function broken(what: string): DownloadError {
  return new DownloadError("bad_archive", `Cannot read the zip archive: it has ${what}`);
}

/** Lists the files of an open zip. Throws a DownloadError (`bad_archive`). */
export async function readZipDirectory(file: Deno.FsFile): Promise<ZipEntry[]> {
  const { size } = await file.stat();
  const end = await findEnd(file, size);
  const count = end.view.getUint16(10, true);
  const directoryBytes = end.view.getUint32(12, true);
  const directoryOffset = end.view.getUint32(16, true);
  if (end.view.getUint16(4, true) !== 0) throw broken("several parts");
  if (count === 0xffff || directoryOffset === 0xffffffff) {
    throw broken("zip64 records, for files over 4 GiB; these are not supported");
  }
  if (directoryBytes > MAX_DIRECTORY_BYTES) throw broken(`a directory of ${directoryBytes} bytes`);
  if (directoryOffset + directoryBytes > end.offset) throw broken("a directory outside the file");
  const directory = await readBytes(file, directoryOffset, directoryBytes);
  const entries: ZipEntry[] = [];
  for (let at = 0, i = 0; i < count; i++) {
    if (at + CENTRAL_BYTES > directory.length) throw broken("a truncated directory");
    const view = viewOf(directory.subarray(at));
    if (view.getUint32(0, true) !== CENTRAL_SIGNATURE) throw broken("a damaged directory");
    const nameBytes = view.getUint16(28, true);
    const next = at + CENTRAL_BYTES + nameBytes + view.getUint16(30, true) +
      view.getUint16(32, true);
    if (next > directory.length) throw broken("a truncated directory");
    const name = new TextDecoder().decode(
      directory.subarray(at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameBytes),
    );
    entries.push(entryOf(name, view));
    at = next;
  }
  return entries;
}

function entryOf(name: string, view: DataView): ZipEntry {
  const method = view.getUint16(10, true);
  if ((view.getUint16(8, true) & 1) !== 0) throw broken(`an encrypted file, ${name}`);
  if (method !== 0 && method !== 8) throw broken(`${name} in compression method ${method}`);
  return {
    name,
    method: method === 0 ? "stored" : "deflate",
    compressedBytes: view.getUint32(20, true),
    sizeBytes: view.getUint32(24, true),
    crc32: view.getUint32(16, true),
    headerOffset: view.getUint32(42, true),
  };
}

/** The end record is the last thing but a comment of at most 64 KiB. */
async function findEnd(
  file: Deno.FsFile,
  size: number,
): Promise<{ view: DataView; offset: number }> {
  if (size < END_BYTES) throw broken("too few bytes to be one");
  const tailBytes = Math.min(size, END_BYTES + MAX_COMMENT_BYTES);
  const tail = await readBytes(file, size - tailBytes, tailBytes);
  for (let at = tailBytes - END_BYTES; at >= 0; at--) {
    const view = viewOf(tail.subarray(at));
    if (
      view.getUint32(0, true) === END_SIGNATURE &&
      at + END_BYTES + view.getUint16(20, true) === tailBytes
    ) return { view, offset: size - tailBytes + at };
  }
  throw broken("no end record: it is truncated, or no zip");
}

/** The content of one entry, checked against the size and CRC of the directory. */
export async function* readZipEntry(
  file: Deno.FsFile,
  entry: ZipEntry,
): AsyncGenerator<Uint8Array> {
  const header = viewOf(await readBytes(file, entry.headerOffset, LOCAL_BYTES));
  if (header.getUint32(0, true) !== LOCAL_SIGNATURE) {
    throw broken(`a damaged header of ${entry.name}`);
  }
  const start = entry.headerOffset + LOCAL_BYTES + header.getUint16(26, true) +
    header.getUint16(28, true);
  const raw = ReadableStream.from(readSpan(file, start, entry.compressedBytes));
  const content = entry.method === "stored"
    ? raw
    : raw.pipeThrough(new DecompressionStream("deflate-raw"));
  let sizeBytes = 0;
  let sum = 0;
  try {
    for await (const chunk of content) {
      sizeBytes += chunk.length;
      if (sizeBytes > entry.sizeBytes) break;
      sum = crc32(chunk, sum);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof TypeError) throw broken(`damaged data in ${entry.name}`);
    throw error;
  }
  if (sizeBytes !== entry.sizeBytes || sum !== entry.crc32) {
    throw broken(`damaged data in ${entry.name}`);
  }
}

async function* readSpan(
  file: Deno.FsFile,
  start: number,
  lengthBytes: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const CHUNK = 1 << 18;
  for (let done = 0; done < lengthBytes; done += CHUNK) {
    yield await readBytes(file, start + done, Math.min(CHUNK, lengthBytes - done));
  }
}

async function readBytes(
  file: Deno.FsFile,
  offset: number,
  lengthBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(lengthBytes);
  if (await readAt(file, offset, bytes) === lengthBytes) return bytes;
  throw broken("fewer bytes than its directory says: it is truncated");
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
