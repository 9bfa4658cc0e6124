/** Files that appear whole or not at all. */

import { createHash } from "node:crypto";
import { dirname } from "@std/path/mod.js";
import { describeWriteError, DownloadError } from "./errors.ts";

export interface AtomicFileOptions {
  /** More bytes than this are refused, so that a small archive cannot fill the disk. */
  readonly maxBytes: number;
  /** Expected sha256, lower-case hex. */
  readonly sha256?: string;
  /** Permission bits, such as 0o755. */
  readonly mode?: number;
  readonly signal?: AbortSignal;
}

export interface WrittenFile {
  readonly bytes: number;
  readonly sha256: string;
}

/** Writes the whole of `file`'s next bytes; FsFile.write may write fewer. */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length;) {
    offset += await file.write(bytes.subarray(offset));
  }
}

/**
 * Writes `chunks` to `<path>.tmp` and renames it once complete and right. The caller holds a lock under
 * which `path` is written (`withFileLock`), so what a killed process left is overwritten, not piled up.
 * Throws a DownloadError (`checksum`, `bad_archive`, `disk_full`, `not_writable`) and leaves nothing.
 */
export async function writeFileAtomically(
  path: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: AtomicFileOptions,
): Promise<WrittenFile> {
  const temporary = `${path}.tmp`;
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    using file = await Deno.open(temporary, { create: true, truncate: true, write: true });
    for await (const chunk of chunks) {
      options.signal?.throwIfAborted();
      bytes += chunk.length;
      if (bytes > options.maxBytes) {
        throw new DownloadError(
          "bad_archive",
          `Cannot extract ${path}: it is larger than the limit of ${options.maxBytes} bytes`,
        );
      }
      hash.update(chunk);
      await writeAll(file, chunk);
    }
    const sha256 = hash.digest("hex");
    if (options.sha256 !== undefined && sha256 !== options.sha256) {
      throw new DownloadError(
        "checksum",
        `Cannot use ${path}: its sha256 is ${sha256}, expected ${options.sha256}`,
      );
    }
    if (options.mode !== undefined && Deno.build.os !== "windows") {
      await Deno.chmod(temporary, options.mode);
    }
    file.close();
    await Deno.rename(temporary, path);
    return { bytes, sha256 };
  } catch (error) {
    await removeIfPresent(temporary);
    throw describeWriteError(error, path);
  }
}

/** Writes a short text as `writeFileAtomically` does. */
export async function writeTextAtomically(path: string, text: string): Promise<void> {
  await writeFileAtomically(path, [new TextEncoder().encode(text)], { maxBytes: Infinity });
}

/** Removes a file; a missing one is fine. */
export async function removeIfPresent(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Whether `path` is a file. */
export async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw error;
  }
}
