/**
 * The lines of the services' logs that belong to one trace.
 *
 * Reads every log file of the folder that services keep, 32 MiB of each service at most. Of too many
 * lines the newest are shown. Lines of spans are left out: the trace itself tells them.
 */

import { Buffer } from "node:buffer";
import { basename, join } from "@std/path/mod.js";

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
  readonly maxLines?: number;
}

const MAX_LINES = 1_000;
const CHUNK_BYTES = 1024 * 1024;
/** A longer line is no log record. */
const MAX_LINE_BYTES = 4 * CHUNK_BYTES;
const LINE_FEED = 10;
const SPAN_MESSAGES: ReadonlySet<unknown> = new Set(["SPAN_FIRST_ENTRY", "SPAN_CLOSED"]);

/** `traceId` is 32 digits of hex. Rejects where a file cannot be read. */
export async function findLogLines(
  traceId: string,
  { folder, maxLines = MAX_LINES }: LogSearchOptions,
): Promise<FoundLines> {
  if (folder === "" || folder === "off") {
    return {
      lines: [],
      note: "This service knows no folder of logs: DYN_LOG_DIR names it, on this machine",
    };
  }
  let lines: FoundLine[] = [];
  let leftOut = 0;
  for (const path of await logFiles(folder)) {
    const service = basename(path).replace(/(\.\d+)?\.jsonl$/, "");
    for await (const text of linesWith(path, new TextEncoder().encode(traceId))) {
      const fields = parseRecord(text);
      if (fields?.trace_id !== traceId || SPAN_MESSAGES.has(fields.message)) continue;
      lines.push({ service, fields });
    }
    // A file at a time: a client may give one trace id to all it asks.
    lines.sort((a, b) => compareTexts(timeOf(a), timeOf(b)));
    leftOut += Math.max(lines.length - maxLines, 0);
    lines = lines.slice(-maxLines);
  }
  return { lines, note: leftOut > 0 ? `The first ${leftOut} lines are left out` : "" };
}

function timeOf({ fields }: FoundLine): string {
  return String(fields.time ?? "");
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Older files first, so that lines of one time keep their order. */
async function logFiles(folder: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.filter(({ name, isFile }) => isFile && name.endsWith(".jsonl"))
      .map(({ name }) => join(folder, name)).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** The whole lines of a file that hold `needle`. A file that was moved away has none. */
async function* linesWith(path: string, needle: Uint8Array): AsyncGenerator<string, void> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  using open = file;
  const decoder = new TextDecoder();
  // Node's buffers have a fast search.
  const buffer = Buffer.alloc(MAX_LINE_BYTES + CHUNK_BYTES);
  let filled = 0;
  while (true) {
    const read = await open.read(buffer.subarray(filled, filled + CHUNK_BYTES));
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
