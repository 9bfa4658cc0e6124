/**
 * A log file of bounded size: when it is full it becomes `<name>.1.jsonl`, which replaces the one
 * before, and a new file begins.
 *
 * Several processes may write to the same file: what is written at once is one append. One of them
 * moves the full file away; another that still writes to it goes on with the new one when its own share
 * is full.
 */

import { dirname, extname } from "@std/path/mod.js";

export const LOG_FILE_MAX_BYTES = 16 * 1024 * 1024;
/** Readable by the user alone: a log tells who asked what and when. */
const MODE = 0o600;

export interface LogFileOptions {
  readonly maxBytes: number;
  /** Told once, at the first that cannot be written; later ones are lost in silence. */
  readonly onFailure: (reason: string) => void;
}

export class LogFile {
  readonly #path: string;
  readonly #options: LogFileOptions;
  #file: Deno.FsFile | null = null;
  #sizeBytes = 0;
  #hasFailed = false;

  /** Opens nothing before the first line. */
  constructor(path: string, options: LogFileOptions) {
    this.#path = path;
    this.#options = options;
  }

  /** Appends one or more whole lines as UTF-8, with their line feeds. Never throws. */
  write(lines: Uint8Array): void {
    try {
      let file = this.#file;
      if (file === null || this.#sizeBytes + lines.length > this.#options.maxBytes) {
        file = this.#open(lines.length);
      }
      for (let rest = lines; rest.length > 0;) rest = rest.subarray(file.writeSync(rest));
      this.#sizeBytes += lines.length;
    } catch (error) {
      if (this.#hasFailed) return;
      this.#hasFailed = true;
      this.#options.onFailure(error instanceof Error ? error.message : String(error));
    }
  }

  #open(neededBytes: number): Deno.FsFile {
    this.#file?.close();
    this.#file = null;
    Deno.mkdirSync(dirname(this.#path), { recursive: true });
    const sizeBytes = sizeOf(this.#path);
    if (sizeBytes > 0 && sizeBytes + neededBytes > this.#options.maxBytes) {
      Deno.renameSync(this.#path, olderLogPath(this.#path));
    }
    this.#file = Deno.openSync(this.#path, { append: true, create: true, mode: MODE });
    this.#sizeBytes = sizeOf(this.#path);
    return this.#file;
  }
}

/** `prefill.1.jsonl` for `prefill.jsonl`. */
function olderLogPath(path: string): string {
  const extension = extname(path);
  return `${path.slice(0, path.length - extension.length)}.1${extension}`;
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
