/**
 * Spans from log lines: `SPAN_FIRST_ENTRY` and `SPAN_CLOSED` as `shared/telemetry` writes them.
 *
 * A closed line tells the whole span by itself; the entry line tells of a span whose end never came.
 * What Dynamo's own lines lack is filled in: the start from the time and the duration, the service
 * from the name of the file.
 */

import { LINE_FIELDS } from "../telemetry/log/line_fields.ts";
import { attributeSpec, roleOfName } from "../telemetry/registry/mod.ts";
import type {
  Attributes,
  AttributeValue,
  SpanEvent,
  SpanKind,
  SpanLink,
  ViewSpan,
} from "./span.ts";

export type LineReading =
  | { readonly type: "span"; readonly span: ViewSpan }
  /** No span line: another record, or another program's text. */
  | { readonly type: "other" }
  /** Begins as a span line and cannot be read: cut off, or two lines in one. */
  | { readonly type: "broken" };

type Fields = Readonly<Record<string, unknown>>;

const OTHER: LineReading = { type: "other" };
const BROKEN: LineReading = { type: "broken" };
const TRACE_ID = /^[0-9a-f]{32}$/;
const SPAN_ID = /^[0-9a-f]{16}$/;
const LINK = /^([0-9a-f]{32})-([0-9a-f]{16})$/;
const KINDS: readonly string[] = [
  "internal",
  "server",
  "client",
  "producer",
  "consumer",
] satisfies SpanKind[];

/** Fields of a span line that are no attributes. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  ...LINE_FIELDS,
  "trace_flags",
  "tracestate",
  "time.start_us",
  "time.busy_us",
  "time.idle_us",
  "time.duration_us",
  "otel.kind",
  "otel.events",
  "otel.links",
  "otel.status_code",
  "otel.status_description",
  "service.name",
  "service.instance.id",
  "host.name",
]);
/** On every line of a request, and attributes only of the roles that declare them. */
const REQUEST_IDS: ReadonlySet<string> = new Set(["x_request_id", "request_id"]);

/** Reads one line. `source` names the service where the line does not. */
export function readLogLine(line: string, source: string): LineReading {
  const isClosed = line.includes('"SPAN_CLOSED"');
  if (!isClosed && !line.includes('"SPAN_FIRST_ENTRY"')) return OTHER;
  const fields = parseObject(line);
  if (fields === null) return BROKEN;
  const message = fields.message;
  if (message !== "SPAN_CLOSED" && message !== "SPAN_FIRST_ENTRY") return OTHER;
  const span = toSpan(fields, source);
  return span === null ? BROKEN : { type: "span", span };
}

function parseObject(line: string): Fields | null {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function toSpan(fields: Fields, source: string): ViewSpan | null {
  const { trace_id: traceId, span_id: spanId, span_name: name } = fields;
  if (typeof traceId !== "string" || !TRACE_ID.test(traceId)) return null;
  if (typeof spanId !== "string" || !SPAN_ID.test(spanId) || typeof name !== "string") return null;
  const times = readTimes(fields);
  if (times === null) return null;
  const parent = text(fields.parent_id);
  return {
    traceId,
    spanId,
    parentSpanId: SPAN_ID.test(parent) && parent !== spanId ? parent : "",
    name,
    kind: KINDS.find((kind) => kind === fields["otel.kind"]) as SpanKind | undefined ??
      "unspecified",
    service: text(fields["service.name"]) || source,
    instance: text(fields["service.instance.id"]),
    host: text(fields["host.name"]),
    ...times,
    status: fields["otel.status_code"] === "ERROR" ? "error" : "unset",
    statusMessage: text(fields["otel.status_description"]),
    attributes: readAttributes(fields, name),
    events: readEvents(fields["otel.events"]),
    links: readLinks(fields["otel.links"]),
    isSampled: fields.trace_flags !== "00",
  };
}

function readTimes(fields: Fields): { startUs: number; endUs: number | null } | null {
  const atMs = Date.parse(text(fields.time));
  const durationUs = fields["time.duration_us"];
  const startUs = fields["time.start_us"];
  const isClosed = fields.message === "SPAN_CLOSED";
  if (isClosed && !isTime(durationUs)) return null;
  const spentUs = isClosed && isTime(durationUs) ? durationUs : 0;
  if (isTime(startUs)) return { startUs, endUs: isClosed ? startUs + spentUs : null };
  if (!Number.isFinite(atMs)) return null;
  const atUs = atMs * 1000;
  return { startUs: atUs - spentUs, endUs: isClosed ? atUs : null };
}

function readAttributes(fields: Fields, name: string): Attributes {
  const role = roleOfName(name);
  const attributes: [string, AttributeValue][] = [];
  for (const [key, value] of Object.entries(fields)) {
    if (OWN_FIELDS.has(key) || !isAttributeValue(value)) continue;
    const isForeignId = REQUEST_IDS.has(key) && role !== null && attributeSpec(role, key) === null;
    if (!isForeignId) attributes.push([key, value]);
  }
  return Object.fromEntries(attributes);
}

function readEvents(value: unknown): SpanEvent[] {
  if (!Array.isArray(value)) return [];
  return value.filter(isRecord).flatMap(({ name, time_us: timeUs, attributes }) => {
    if (typeof name !== "string" || !isTime(timeUs)) return [];
    const shown = isRecord(attributes) ? Object.entries(attributes) : [];
    const kept = shown.filter((entry): entry is [string, AttributeValue] =>
      isAttributeValue(entry[1])
    );
    return [{ name, timeUs, attributes: Object.fromEntries(kept) }];
  });
}

function readLinks(value: unknown): SpanLink[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((item) => {
    const [, traceId, spanId] = LINK.exec(text(item)) ?? [];
    return traceId === undefined || spanId === undefined ? [] : [{ traceId, spanId }];
  });
}

function isAttributeValue(value: unknown): value is AttributeValue {
  if (Array.isArray(value)) return value.every(isScalar);
  return isScalar(value);
}

function isScalar(value: unknown): value is string | number | boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
