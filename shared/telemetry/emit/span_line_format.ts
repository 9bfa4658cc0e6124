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
/** Ids win over attributes of the same name. */
const ID_KEYS = [
  "parent_id",
  "request_id",
  "span_id",
  "trace_id",
  "tracestate",
  "x_request_id",
] as const;

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
  /** The members of every span of the role, each in its place; empty where spans differ. */
  readonly #template: readonly string[];
  readonly #attributes = new Map<string, Column>();
  readonly #others = new Map<string, Column>();

  constructor(role: SpanRole, processFields: Readonly<Record<string, string>>) {
    const { name, kind } = SPANS[role];
    this.#constants = { ...processFields, "otel.kind": kind.toLowerCase() };
    const same: Readonly<Record<string, string>> = { ...this.#constants, span_name: name };
    const others: readonly string[] = ["trace_flags", ...LINE_KEYS, ...ID_KEYS];
    const keys = new Set([...attributeNames(role), ...Object.keys(same), ...others]);
    this.#template = [...keys].sort().map((key, place) => {
      const constant = same[key];
      if (constant !== undefined) return memberStart(key) + jsonText(constant);
      const columns = others.includes(key) ? this.#others : this.#attributes;
      columns.set(key, new Column(place, key));
      return "";
    });
  }

  /** Begins the lines of one span. */
  begin(facts: SpanFacts): SpanMembers {
    return new SpanMembers(facts, {
      members: [...this.#template],
      attributes: this.#attributes,
      others: this.#others,
    });
  }

  /** The fields of a line as values, without the ids. */
  fields({ attributes, trace_flags }: SpanFacts, line: SpanLineFields) {
    return { ...attributes, ...this.#constants, trace_flags, ...line };
  }
}

interface SpanMembersParts {
  readonly members: string[];
  readonly attributes: ReadonlyMap<string, Column>;
  readonly others: ReadonlyMap<string, Column>;
}

/** What the lines of one span say, each field made when it is told, and once for both lines. */
export class SpanMembers {
  readonly #parts: SpanMembersParts;

  constructor({ ids, attributes, trace_flags }: SpanFacts, parts: SpanMembersParts) {
    this.#parts = parts;
    this.set(attributes);
    for (const key of ID_KEYS) this.#setOther(key, ids[key]);
    this.#setOther("trace_flags", trace_flags);
  }

  set(given: AcceptedAttributes): void {
    const { members, attributes } = this.#parts;
    for (const key in given) {
      const column = attributes.get(key);
      if (column !== undefined) members[column.place] = column.known(given[key]);
    }
  }

  /** All fields and ids of a line: members of a JSON object, each behind a comma. */
  json(line: SpanLineFields): string {
    for (const key of LINE_KEYS) this.#setOther(key, line[key]);
    return this.#parts.members.join("");
  }

  #setOther(key: string, value: unknown): void {
    const { members, others } = this.#parts;
    const column = others.get(key);
    if (column !== undefined) members[column.place] = value === undefined ? "" : column.made(value);
  }
}

/** Texts that come again with most spans, such as a route, are encoded once. */
const MAX_KNOWN_TEXTS = 64;
const MAX_KNOWN_CHARS = 64;

/** One place in the sorted line. */
class Column {
  readonly place: number;
  readonly #start: string;
  readonly #known = new Map<unknown, string>();

  constructor(place: number, key: string) {
    this.place = place;
    this.#start = memberStart(key);
  }

  /** The member with the comma before it. */
  made(value: unknown): string {
    return this.#start + encoded(value);
  }

  /** The same, of a value that may come again. */
  known(value: unknown): string {
    const known = this.#known.get(value);
    if (known !== undefined) return known;
    const made = this.made(value);
    const isShortText = typeof value === "string" && value.length <= MAX_KNOWN_CHARS;
    if (isShortText && this.#known.size < MAX_KNOWN_TEXTS) this.#known.set(value, made);
    return made;
  }
}

function encoded(value: unknown): string {
  return typeof value === "number" && Number.isFinite(value) ? String(value) : jsonText(value);
}
