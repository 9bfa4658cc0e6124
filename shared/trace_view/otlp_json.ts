/**
 * Spans from OTLP JSON, in the two dialects that are met: OTLP's own (hex ids, kinds as numbers) and
 * that of Tempo's trace endpoints (base64 ids, kinds by name, `batches` for `resourceSpans`).
 */

import type {
  Attributes,
  AttributeValue,
  SpanEvent,
  SpanKind,
  SpanLink,
  SpanStatus,
  ViewSpan,
} from "./span.ts";

type Json = Readonly<Record<string, unknown>>;

const KINDS: readonly SpanKind[] = [
  "unspecified",
  "internal",
  "server",
  "client",
  "producer",
  "consumer",
];
const STATUSES: readonly SpanStatus[] = ["unset", "ok", "error"];
const HEX_ID = /^(?:[0-9a-f]{32}|[0-9a-f]{16})$/i;

/** The spans of an export request, or of a trace that Tempo answers; what is no span is left out. */
export function readOtlpJson(body: unknown): ViewSpan[] {
  if (!isRecord(body)) return [];
  const holder = isRecord(body.trace) ? body.trace : body;
  return records(holder.resourceSpans ?? holder.batches).flatMap((resourceSpans) => {
    const resource = isRecord(resourceSpans.resource)
      ? readAttributes(resourceSpans.resource.attributes)
      : {};
    return records(resourceSpans.scopeSpans)
      .flatMap(({ spans }) => records(spans).flatMap((span) => readSpan(span, resource)));
  });
}

function readSpan(json: Json, resource: Attributes): ViewSpan[] {
  const traceId = readId(json.traceId);
  const spanId = readId(json.spanId);
  if (traceId === "" || spanId === "") return [];
  const status = isRecord(json.status) ? json.status : {};
  return [{
    traceId,
    spanId,
    parentSpanId: readId(json.parentSpanId),
    name: text(json.name),
    kind: readEnum(json.kind, KINDS, "SPAN_KIND_"),
    service: text(resource["service.name"]),
    instance: text(resource["service.instance.id"]),
    host: text(resource["host.name"]),
    startUs: readTime(json.startTimeUnixNano),
    endUs: readTime(json.endTimeUnixNano) || null,
    status: readEnum(status.code, STATUSES, "STATUS_CODE_"),
    statusMessage: text(status.message),
    attributes: readAttributes(json.attributes),
    events: records(json.events).map(readEvent),
    links: records(json.links).flatMap(readLink),
    isSampled: true,
  }];
}

function readEvent(json: Json): SpanEvent {
  return {
    name: text(json.name),
    timeUs: readTime(json.timeUnixNano),
    attributes: readAttributes(json.attributes),
  };
}

function readLink(json: Json): SpanLink[] {
  const link = { traceId: readId(json.traceId), spanId: readId(json.spanId) };
  return link.traceId === "" || link.spanId === "" ? [] : [link];
}

function readAttributes(value: unknown): Attributes {
  const attributes: [string, AttributeValue][] = [];
  for (const item of records(value)) {
    const read = isRecord(item.value) ? readValue(item.value) : undefined;
    if (typeof item.key === "string" && read !== undefined) attributes.push([item.key, read]);
  }
  return Object.fromEntries(attributes);
}

function readValue(value: Json): AttributeValue | undefined {
  const { stringValue, boolValue, intValue, doubleValue, arrayValue } = value;
  if (typeof stringValue === "string") return stringValue;
  if (typeof boolValue === "boolean") return boolValue;
  if (intValue !== undefined) return readInteger(intValue);
  if (doubleValue !== undefined) return Number(doubleValue);
  if (isRecord(arrayValue)) {
    return records(arrayValue.values).flatMap((item) => {
      const read = readValue(item);
      return read === undefined || typeof read === "object" ? [] : [read];
    });
  }
  return Object.keys(value).length === 0 ? undefined : JSON.stringify(value);
}

/** A number where it stays exact, else its digits. */
function readInteger(value: unknown): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

function readEnum<T extends string>(value: unknown, names: readonly T[], prefix: string): T {
  const [fallback] = names;
  if (fallback === undefined) throw new RangeError("An enumeration has names");
  if (typeof value === "number") return names[value] ?? fallback;
  return names.find((name) => `${prefix}${name.toUpperCase()}` === value) ?? fallback;
}

/** Lower-case hex; empty for what is no id. */
function readId(value: unknown): string {
  if (typeof value !== "string") return "";
  if (HEX_ID.test(value)) return value.toLowerCase();
  try {
    // Not every browser in use has `Uint8Array.fromBase64`.
    const bytes = Array.from(atob(value), (character) => character.charCodeAt(0));
    return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  } catch {
    return "";
  }
}

/** Nanoseconds, as digits or a number, in microseconds. */
function readTime(value: unknown): number {
  const digits = typeof value === "string" && /^\d{1,20}$/.test(value) ? value : "";
  if (digits === "") return typeof value === "number" ? value / 1000 : 0;
  return Number(digits.slice(0, -3)) + Number(digits.slice(-3)) / 1000;
}

function records(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
