/**
 * The fields of a span's two log lines as JSON, made fast: most of a traced request's lines are these.
 *
 * What a role can say is known from the registry, so its keys are sorted and encoded once, and what is
 * the same for all spans of a role in this process with them. The values were redacted when the span
 * took them.
 */

import { jsonText, type LogIds, memberStart } from "../log/mod.ts";
import { attributeNames, type SpanRole, SPANS } from "../registry/mod.ts";
import type { AcceptedAttributes } from "./attribute_guard.ts";

/** What is said of one span in both of its lines. */
export interface SpanFacts {
  readonly ids: LogIds;
  readonly attributes: AcceptedAttributes;
  readonly trace_flags: string;
}

/** What one of the two lines says beside it. */
export interface SpanLineFields {
  readonly "otel.events"?: readonly Readonly<Record<string, unknown>>[];
  readonly "otel.links"?: readonly string[];
  readonly "otel.status_code"?: string;
  readonly "otel.status_description"?: string;
  readonly "time.start_us": number;
  readonly "time.busy_us"?: number;
  readonly "time.idle_us"?: number;
  readonly "time.duration_us"?: number;
}

const LINE_KEYS = [
  "otel.events",
  "otel.links",
  "otel.status_code",
  "otel.status_description",
  "time.start_us",
  "time.busy_us",
  "time.idle_us",
  "time.duration_us",
] as const satisfies (keyof SpanLineFields)[];
/** One place in the sorted line: gives its member with the comma before it, or nothing. */
interface Column {
  readonly key: string;
  text(span: SpanFacts, line: SpanLineFields): string;
}

export class SpanLineFormats {
  readonly #processFields: Readonly<Record<string, string>>;
  readonly #formats = new Map<SpanRole, SpanLineFormat>();

  /** The fields tell this process from others. */
  constructor(processFields: Readonly<Record<string, string>>) {
    this.#processFields = processFields;
  }

  of(role: SpanRole): SpanLineFormat {
    let format = this.#formats.get(role);
    if (format === undefined) {
      format = new SpanLineFormat(role, this.#processFields);
      this.#formats.set(role, format);
    }
    return format;
  }
}

export class SpanLineFormat {
  readonly #constants: Readonly<Record<string, string>>;
  readonly #columns: readonly Column[];

  constructor(role: SpanRole, processFields: Readonly<Record<string, string>>) {
    const { name, kind } = SPANS[role];
    this.#constants = { ...processFields, "otel.kind": kind.toLowerCase() };
    const columns = new Map<string, Column>();
    for (const key of attributeNames(role)) columns.set(key, attributeColumn(key));
    for (const [key, value] of Object.entries({ ...this.#constants, span_name: name })) {
      columns.set(key, constantColumn(key, value));
    }
    columns.set("trace_flags", column("trace_flags", (span) => span.trace_flags));
    for (const key of LINE_KEYS) columns.set(key, column(key, (_, line) => line[key]));
    // Ids win over attributes of the same name.
    for (const key of ["parent_id", "span_id", "trace_id"] as const) {
      columns.set(key, hexColumn(key));
    }
    for (const key of ["request_id", "tracestate", "x_request_id"] as const) {
      columns.set(key, column(key, ({ ids }) => ids[key]));
    }
    this.#columns = [...columns.values()].sort((a, b) => a.key < b.key ? -1 : 1);
  }

  /** All fields and ids of a line: members of a JSON object, each behind a comma. */
  json(span: SpanFacts, line: SpanLineFields): string {
    let json = "";
    for (const each of this.#columns) json += each.text(span, line);
    return json;
  }

  /** The same as values, without the ids. */
  fields({ attributes, trace_flags }: SpanFacts, line: SpanLineFields) {
    return { ...attributes, ...this.#constants, trace_flags, ...line };
  }
}

function column(
  key: string,
  read: (span: SpanFacts, line: SpanLineFields) => unknown,
): Column {
  const start = memberStart(key);
  return {
    key,
    text(span, line) {
      const value = read(span, line);
      return value === undefined ? "" : start + encoded(value);
    },
  };
}

/** Hexadecimal digits are JSON as they are. */
function hexColumn(key: "parent_id" | "span_id" | "trace_id"): Column {
  const start = `${memberStart(key)}"`;
  return { key, text: ({ ids }) => ids[key] === undefined ? "" : `${start}${ids[key]}"` };
}

function constantColumn(key: string, value: string): Column {
  const member = memberStart(key) + jsonText(value);
  return { key, text: () => member };
}

/** Texts that come again with most spans, such as a route, are encoded once. */
const MAX_KNOWN_TEXTS = 64;
const MAX_KNOWN_CHARS = 64;

function attributeColumn(key: string): Column {
  const start = memberStart(key);
  const known = new Map<unknown, string>();
  return {
    key,
    text({ attributes }) {
      const value = attributes[key];
      if (value === undefined) return "";
      const member = known.get(value);
      if (member !== undefined) return member;
      const made = start + encoded(value);
      const isShortText = typeof value === "string" && value.length <= MAX_KNOWN_CHARS;
      if (isShortText && known.size < MAX_KNOWN_TEXTS) known.set(value, made);
      return made;
    },
  };
}

function encoded(value: unknown): string {
  return typeof value === "number" && Number.isFinite(value) ? String(value) : jsonText(value);
}
