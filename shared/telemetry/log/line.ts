/**
 * One log record as one line of text.
 *
 * JSONL has Dynamo's schema and order: time, level, target, message, then every other field sorted by
 * key with its own type. A record is exactly one line whatever its text holds. The schema's own keys
 * cannot be overwritten: a caller's field of such a name is written as `field.<name>`.
 * The readable form is for people: time, level, target, message, `key=value`, and in a span the first
 * eight digits of its trace id instead of all ids.
 */

import { redactValue } from "./redact.ts";
import type { LogLevel } from "./filter.ts";

/** Structured values are for JSONL readers, such as the events of a span. */
export type LogValue =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly string[]
  | readonly Readonly<Record<string, unknown>>[];

/** Ids that every line of a span carries, by their JSONL keys. */
export interface LogIds {
  readonly trace_id: string;
  readonly span_id: string;
  readonly parent_id?: string;
  readonly span_name: string;
  readonly x_request_id?: string;
  readonly request_id?: string;
}

export interface LogRecord {
  /** Epoch milliseconds with fractions. */
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly target: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, LogValue>>;
  readonly ids?: LogIds;
}

export interface LineOptions {
  readonly isJsonl: boolean;
  readonly useLocalTz: boolean;
}

const RESERVED: ReadonlySet<string> = new Set([
  "time",
  "level",
  "file",
  "line",
  "target",
  "message",
  "trace_id",
  "span_id",
  "parent_id",
  "span_name",
]);

/** The record's line, with its line feed. */
export function formatLine(record: LogRecord, options: LineOptions): string {
  const time = formatTime(record.timeMs, options.useLocalTz);
  return options.isJsonl ? formatJsonl(record, time) : formatReadable(record, time);
}

/** `2026-11-25T19:38:00.123456Z`, or with the local offset instead of `Z`. */
export function formatTime(timeMs: number, useLocalTz: boolean): string {
  const micros = Math.floor(timeMs * 1000);
  const wholeMs = Math.floor(micros / 1000);
  const fraction = String(micros - wholeMs * 1000).padStart(3, "0");
  const offsetMinutes = useLocalTz ? -new Date(wholeMs).getTimezoneOffset() : 0;
  const text = new Date(wholeMs + offsetMinutes * 60_000).toISOString().slice(0, -1) + fraction;
  if (!useLocalTz) return `${text}Z`;
  const minutes = Math.abs(offsetMinutes);
  const hours = String(Math.floor(minutes / 60)).padStart(2, "0");
  return `${text}${offsetMinutes < 0 ? "-" : "+"}${hours}:${String(minutes % 60).padStart(2, "0")}`;
}

function formatJsonl(record: LogRecord, time: string): string {
  const { level, target, message, ids } = record;
  const head = { time, level: level.toUpperCase(), target, message };
  const rest = new Map(visibleFields(record.fields));
  for (const [key, value] of Object.entries(ids ?? {})) rest.set(key, value);
  let line = JSON.stringify(head).slice(0, -1);
  for (const key of [...rest.keys()].sort()) {
    const value = rest.get(key);
    if (value !== undefined) line += `,${JSON.stringify(key)}:${JSON.stringify(value)}`;
  }
  return `${line}}\n`;
}

function formatReadable(record: LogRecord, time: string): string {
  const { level, target, message, ids } = record;
  const fields = visibleFields(record.fields).map(([key, value]) =>
    ` ${quoted(key)}=${typeof value === "string" ? quoted(value) : oneLine(JSON.stringify(value))}`
  );
  const span = ids === undefined ? "" : ` [${ids.span_name} ${ids.trace_id.slice(0, 8)}]`;
  const name = level.toUpperCase().padStart(5);
  return `${time} ${name} ${target}: ${oneLine(message)}${fields.join("")}${span}\n`;
}

/** Redacted, without undefined ones; reserved keys renamed, numbers that JSON lacks as text. */
function visibleFields(fields: LogRecord["fields"]): [string, LogValue][] {
  return Object.entries(fields).flatMap(([key, value]) => {
    if (value === undefined) return [];
    const isMissingNumber = typeof value === "number" && !Number.isFinite(value);
    const shown = isMissingNumber ? String(value) : redactValue(key, value);
    return [[RESERVED.has(key) ? `field.${key}` : key, shown]];
  });
}

function quoted(value: string): string {
  return /^[\x21\x23-\x7e]+$/.test(value) ? value : oneLine(JSON.stringify(value));
}

/** Line breaks and control characters as JSON writes them; everything else as it is. */
function oneLine(text: string): string {
  return text.replace(
    /[\p{Cc}\u2028\u2029]/gu,
    (c) => c === "\n" ? "\\n" : `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
