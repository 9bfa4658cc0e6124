/**
 * One log record as one line of text.
 *
 * JSONL has Dynamo's schema and order: time, level, target, message, then every other field sorted by
 * key with its own type. A record is exactly one line whatever its text holds. The schema's own keys
 * cannot be overwritten: a caller's field of such a name is written as `field.<name>`.
 * The readable form is for people: time, level, target, message, `key=value`, and in a span the first
 * eight digits of its trace id instead of all ids.
 */

import { withWholeUs } from "../../clock/whole_us.ts";
import { LINE_FIELDS } from "./line_fields.ts";
import { redactText, redactValue } from "./redact.ts";
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
  /** As the request brought it. */
  readonly tracestate?: string;
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

/** Fields and ids of a record of which there are very many. */
export interface PreparedFields {
  readonly ids: LogIds;
  /** Both as members of a JSON object, each behind a comma: sorted by key, redacted. */
  json(): string;
  /** For the readable form. */
  fields(): LogRecord["fields"];
}

export interface LineOptions {
  readonly isJsonl: boolean;
  readonly useLocalTz: boolean;
}

/** ASCII that is the same in JSON: most ids and names. */
const PLAIN_TEXT = /^[ !#-[\]-~]*$/;
const OTHER_LINE_BREAKS = /[\u0085\u2028\u2029]/g;

const RESERVED: ReadonlySet<string> = new Set(LINE_FIELDS);

/** The record's line, with its line feed. */
export function formatLine(record: LogRecord, options: LineOptions): string {
  const message = redactText(record.message);
  return options.isJsonl
    ? formatJsonl({ ...record, message }, options)
    : formatReadable({ ...record, message }, options);
}

/** The JSON line of the members behind its time, which are made already. */
export function formatPrepared(timeMs: number, members: string, useLocalTz: boolean): string {
  return `{"time":"${formatTime(timeMs, useLocalTz)}"${members}}\n`;
}

/** The members behind the time of every JSON line: the message is shown as it is. */
export function lineStart(
  { level, target, message }: Pick<LogRecord, "level" | "target" | "message">,
): string {
  return `,"level":"${level.toUpperCase()}","target":${jsonText(target)}` +
    `,"message":${jsonText(message)}`;
}

/** JSON that stays on one line for every reader: some also break lines where Unicode does. */
export function jsonText(value: unknown): string {
  if (typeof value === "string" && PLAIN_TEXT.test(value)) return `"${value}"`;
  return JSON.stringify(value).replace(OTHER_LINE_BREAKS, escaped);
}

/** Keys are few and come again with every line. */
const knownStarts = new Map<string, string>();
const MAX_KNOWN_STARTS = 1000;

/** The comma and key of a member that is not the first. */
export function memberStart(key: string): string {
  let start = knownStarts.get(key);
  if (start === undefined) {
    start = `,${jsonText(key)}:`;
    if (knownStarts.size < MAX_KNOWN_STARTS) knownStarts.set(key, start);
  }
  return start;
}

/** The second of the last time that was written: most lines share theirs with the one before. */
const lastSecond = { second: NaN, isLocal: false, text: "", zone: "" };

/** `2026-11-25T19:38:00.123456Z`, or with the local offset instead of `Z`. */
export function formatTime(timeMs: number, useLocalTz: boolean): string {
  const micros = Math.floor(timeMs * 1000);
  const second = Math.floor(micros / 1_000_000);
  if (second !== lastSecond.second || useLocalTz !== lastSecond.isLocal) {
    const offsetMinutes = useLocalTz ? -new Date(second * 1000).getTimezoneOffset() : 0;
    const shifted = new Date(second * 1000 + offsetMinutes * 60_000);
    lastSecond.second = second;
    lastSecond.isLocal = useLocalTz;
    lastSecond.text = shifted.toISOString().slice(0, -"000Z".length);
    lastSecond.zone = useLocalTz ? formatOffset(offsetMinutes) : "Z";
  }
  const fraction = String(micros - second * 1_000_000).padStart(6, "0");
  return `${lastSecond.text}${fraction}${lastSecond.zone}`;
}

function formatOffset(offsetMinutes: number): string {
  const minutes = Math.abs(offsetMinutes);
  const hours = String(Math.floor(minutes / 60)).padStart(2, "0");
  return `${offsetMinutes < 0 ? "-" : "+"}${hours}:${String(minutes % 60).padStart(2, "0")}`;
}

function formatJsonl(record: LogRecord, { useLocalTz }: LineOptions): string {
  const rest = new Map(visibleFields(record.fields));
  for (const [key, value] of Object.entries(record.ids ?? {})) rest.set(key, value);
  let members = lineStart(record);
  for (const key of [...rest.keys()].sort()) {
    const value = rest.get(key);
    if (value === undefined) continue;
    members += memberStart(key) + (typeof value === "number" ? String(value) : jsonText(value));
  }
  return formatPrepared(record.timeMs, members, useLocalTz);
}

function formatReadable(record: LogRecord, { useLocalTz }: LineOptions): string {
  const { level, target, message, ids } = record;
  const fields = visibleFields(record.fields).map(([key, value]) =>
    ` ${quoted(key)}=${typeof value === "string" ? quoted(value) : oneLine(JSON.stringify(value))}`
  );
  const span = ids === undefined ? "" : ` [${ids.span_name} ${ids.trace_id.slice(0, 8)}]`;
  const name = level.toUpperCase().padStart(5);
  const time = formatTime(record.timeMs, useLocalTz);
  return `${time} ${name} ${oneLine(target)}: ${oneLine(message)}${fields.join("")}${span}\n`;
}

/** Redacted, without undefined ones; reserved keys renamed, numbers that JSON lacks as text. */
function visibleFields(fields: LogRecord["fields"]): [string, LogValue][] {
  return Object.entries(fields).flatMap(([key, value]) => {
    if (value === undefined) return [];
    const isMissingNumber = typeof value === "number" && !Number.isFinite(value);
    const shown = isMissingNumber ? String(value) : redactValue(key, withWholeUs(key, value));
    return [[RESERVED.has(key) ? `field.${key}` : key, shown]];
  });
}

function quoted(value: string): string {
  return /^[\x21\x23-\x7e]+$/.test(value) ? value : oneLine(JSON.stringify(value));
}

/** Line breaks and control characters as JSON writes them; everything else as it is. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (c) => c === "\n" ? "\\n" : escaped(c));
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
