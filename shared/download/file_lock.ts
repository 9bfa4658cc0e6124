/**
 * One process at a time per file of the cache.
 *
 * The lock is an advisory lock of the operating system on `<path>.lock`: it goes when its holder
 * dies, however it dies. The lock file stays behind, empty: removing it would let two processes
 * lock two different files of the same name. Where it cannot be written, as in an image with a filled
 * cache, the one that is there is locked all the same.
 */

import { delay } from "@std/async/delay.js";
import { dirname } from "@std/path/mod.js";
import { describeWriteError } from "./errors.ts";

const POLL_MS = 100;

export interface FileLockOptions {
  readonly signal?: AbortSignal;
}

/** Runs `body` while this process holds the lock of `path`, creating its folder when missing. */
export async function withFileLock<T>(
  path: string,
  body: () => Promise<T>,
  options: FileLockOptions = {},
): Promise<T> {
  using file = await openLockFile(`${path}.lock`);
  while (!await file.tryLock(true)) {
    await delay(POLL_MS, { signal: options.signal });
  }
  return await body();
}

async function openLockFile(path: string): Promise<Deno.FsFile> {
  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    return await Deno.open(path, { create: true, write: true });
  } catch (error) {
    return await Deno.open(path).catch(() => {
      throw describeWriteError(error, path);
    });
  }
}
