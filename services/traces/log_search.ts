/**
 * The lines of the services' logs that belong to one trace.
 *
 * Reads the log files of the folder that services keep, the newest first and so many bytes at most. Of too
 * many lines the newest are shown. Lines of spans are left out: the trace itself tells them.
 */

import { Buffer } from "node:buffer";
import { basename, join } from "@std/path/mod.js";
import { counted } from "../../shared/trace_view/format.ts";

export interface FoundLine {
  /** By the file's name. */
  readonly service: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface FoundLines {
  readonly lines: readonly FoundLine[];
  /** What a reader must know; empty when all is there. */
  readonly note: string;
}

export interface LogSearchOptions {
  /** `DYN_LOG_DIR`; empty or "off" has none. */
  readonly folder: string;
  /** Aborts when nobody waits for the lines any more. */
  readonly signal: AbortSignal;
  readonly limits?: LogLimits;
}

export interface LogLimits {
  readonly lines: number;
  /** Of the lines that are shown. */
  readonly shownBytes: number;
  /** Of the files that are read. */
  readonly readBytes: number;
}

const CHUNK_BYTES = 1024 * 1024;
const LIMITS: LogLimits = {
  lines: 1_000,
  shownBytes: 4 * CHUNK_BYTES,
  readBytes: 512 * CHUNK_BYTES,
};
/** A longer line is no log record. */
const MAX_LINE_BYTES = CHUNK_BYTES;
const LINE_FEED = 10;
const SPAN_MESSAGES: ReadonlySet<unknown> = new Set(["SPAN_FIRST_ENTRY", "SPAN_CLOSED"]);

/** `traceId` is 32 digits of hex. Rejects where a file cannot be read. */
export async function findLogLines(
  traceId: string,
  { folder, signal, limits = LIMITS }: LogSearchOptions,
): Promise<FoundLines> {
  if (folder === "" || folder === "off") {
    return {
      lines: [],
      note: "This service knows no folder of logs: DYN_LOG_DIR names it, on this machine",
    };
  }
  const newest = new NewestLines(limits);
  const needle = new TextEncoder().encode(traceId);
  let leftBytes = limits.readBytes;
  let unreadFiles = 0;
  for (const { path, bytes } of await logFiles(folder)) {
    if (bytes > leftBytes) {
      unreadFiles++;
      continue;
    }
    leftBytes -= bytes;
    const service = basename(path).replace(/(\.\d+)?\.jsonl$/, "");
    for await (const text of linesWith(path, { needle, signal })) {
      const fields = parseRecord(text);
      if (fields?.trace_id !== traceId || SPAN_MESSAGES.has(fields.message)) continue;
      newest.add({ service, fields }, text.length);
    }
  }
  const lines = newest.sorted();
  const notes = [
    ...(newest.leftOut > 0 ? [`${counted(newest.leftOut, "earlier line")} left out`] : []),
    ...(unreadFiles > 0
      ? [`${counted(unreadFiles, "file")} of DYN_LOG_DIR not read: there is too much in it`]
      : []),
  ];
  return { lines, note: notes.join("; ") };
}

/** Lines by their time; of too many the newest. A client may give one trace id to all it asks. */
class NewestLines {
  readonly #limits: LogLimits;
  #lines: { readonly line: FoundLine; readonly bytes: number }[] = [];
  #bytes = 0;
  leftOut = 0;

  constructor(limits: LogLimits) {
    this.#limits = limits;
  }

  add(line: FoundLine, bytes: number): void {
    this.#lines.push({ line, bytes });
    this.#bytes += bytes;
    const { lines, shownBytes } = this.#limits;
    if (this.#lines.length > 2 * lines || this.#bytes > 2 * shownBytes) this.#cut();
  }

  sorted(): FoundLine[] {
    this.#cut();
    return this.#lines.map(({ line }) => line);
  }

  #cut(): void {
    this.#lines.sort((a, b) => compareTexts(timeOf(a.line), timeOf(b.line)));
    const { lines, shownBytes } = this.#limits;
    let cut = 0;
    while (this.#lines.length - cut > lines || this.#bytes > shownBytes) {
      this.#bytes -= this.#lines[cut++]?.bytes ?? 0;
    }
    this.#lines = this.#lines.slice(cut);
    this.leftOut += cut;
  }
}

function timeOf({ fields }: FoundLine): string {
  return String(fields.time ?? "");
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

interface LogFile {
  readonly path: string;
  readonly bytes: number;
}

/** The newest first. */
async function logFiles(folder: string): Promise<LogFile[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder)).catch(noneIfGone) ?? [];
  const names = entries.filter(({ name, isFile }) => isFile && name.endsWith(".jsonl"));
  const files = await Promise.all(names.map(async ({ name }) => {
    const path = join(folder, name);
    const info = await Deno.stat(path).catch(noneIfGone);
    return info === null ? [] : [{ path, bytes: info.size, changedMs: info.mtime?.getTime() ?? 0 }];
  }));
  return files.flat().sort((a, b) => b.changedMs - a.changedMs);
}

/** There is no folder yet, or a file was moved away. */
function noneIfGone(error: unknown): null {
  if (error instanceof Deno.errors.NotFound) return null;
  throw error;
}

interface Search {
  readonly needle: Uint8Array;
  readonly signal: AbortSignal;
}

/** The whole lines of a file that hold `needle`. A file that was moved away has none. */
async function* linesWith(
  path: string,
  { needle, signal }: Search,
): AsyncGenerator<string, void> {
  using file = await Deno.open(path).catch(noneIfGone);
  if (file === null) return;
  const decoder = new TextDecoder();
  // Node's buffers have a fast search.
  const buffer = Buffer.alloc(MAX_LINE_BYTES + CHUNK_BYTES);
  let filled = 0;
  while (true) {
    signal.throwIfAborted();
    const read = await file.read(buffer.subarray(filled, filled + CHUNK_BYTES));
    if (read === null) return;
    filled += read;
    const whole = buffer.subarray(0, filled).lastIndexOf(LINE_FEED) + 1;
    const lines = buffer.subarray(0, whole);
    for (let at = lines.indexOf(needle); at >= 0;) {
      const start = lines.lastIndexOf(LINE_FEED, at) + 1;
      const end = lines.indexOf(LINE_FEED, at);
      yield decoder.decode(lines.subarray(start, end));
      at = lines.indexOf(needle, end);
    }
    const rest = filled - whole;
    buffer.copyWithin(0, whole, filled);
    filled = rest > MAX_LINE_BYTES ? 0 : rest;
  }
}

function parseRecord(text: string): FoundLine["fields"] | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value as FoundLine["fields"] : null;
  } catch {
    return null;
  }
}
