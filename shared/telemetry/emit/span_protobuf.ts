/**
 * Spans as an OTLP export request in protobuf: the same messages as the SDK's serializer makes, in a
 * quarter of its time.
 *
 * All spans of a process have one resource and one scope. Attribute keys, and short texts that come
 * again, are encoded once.
 */

import type { HrTime, Link } from "@opentelemetry/api";
import type { ReadableSpan, TimedEvent } from "@opentelemetry/sdk-trace";
import { WireWriter } from "../../otlp/mod.ts";

/** Bit of a span's or link's flags: the two lowest bytes beside the trace flags are known. */
const HAS_IS_REMOTE = 0x100;
const IS_REMOTE = 0x200;
const MAX_KNOWN_KEYS = 1000;
const MAX_KNOWN_TEXTS = 64;
const MAX_KNOWN_CHARS = 64;
const TWO_32 = 2 ** 32;

/** Has grown to the size of a batch. */
const batchWriter = new WireWriter();

/** Encodes a batch; throws where a span holds what no collector takes. */
export function encodeSpans(spans: readonly ReadableSpan[]): Uint8Array {
  const writer = batchWriter;
  // The batch before may have thrown on its way.
  writer.clear();
  const [first] = spans;
  if (first === undefined) return writer.finish();
  const { resource, instrumentationScope: scope } = first;
  const resourceSpans = writer.begin(1);
  const resourceAt = writer.begin(1);
  writeAttributes(writer, 1, resource.attributes);
  writer.end(resourceAt);
  const scopeSpans = writer.begin(2);
  const scopeAt = writer.begin(1);
  writer.string(1, scope.name);
  if (scope.version !== undefined) writer.string(2, scope.version);
  writer.end(scopeAt);
  for (const span of spans) writeSpan(writer, span);
  writer.end(scopeSpans);
  writer.end(resourceSpans);
  return writer.finish();
}

function writeSpan(writer: WireWriter, span: ReadableSpan): void {
  const { traceId, spanId, traceFlags, traceState } = span.spanContext();
  const start = writer.begin(2);
  writer.hex(1, traceId);
  writer.hex(2, spanId);
  if (traceState !== undefined) writer.string(3, traceState.serialize());
  if (span.parentSpanContext !== undefined) writer.hex(4, span.parentSpanContext.spanId);
  writer.string(5, span.name);
  // The API counts kinds from 0, OTLP from 1.
  writer.uint32(6, span.kind + 1);
  writeTime(writer, 7, span.startTime);
  writeTime(writer, 8, span.endTime);
  writeAttributes(writer, 9, span.attributes);
  writeCount(writer, 10, span.droppedAttributesCount);
  for (const event of span.events) writeEvent(writer, event);
  writeCount(writer, 12, span.droppedEventsCount);
  for (const link of span.links) writeLink(writer, link);
  writeCount(writer, 14, span.droppedLinksCount);
  writeStatus(writer, span.status);
  writer.fixed32(16, flagsOf(traceFlags, span.parentSpanContext?.isRemote));
  writer.end(start);
}

function writeEvent(writer: WireWriter, event: TimedEvent): void {
  const start = writer.begin(11);
  writeTime(writer, 1, event.time);
  writer.string(2, event.name);
  if (event.attributes !== undefined) writeAttributes(writer, 3, event.attributes);
  writeCount(writer, 4, event.droppedAttributesCount ?? 0);
  writer.end(start);
}

function writeLink(writer: WireWriter, link: Link): void {
  const { traceId, spanId, traceState, traceFlags, isRemote } = link.context;
  const start = writer.begin(13);
  writer.hex(1, traceId);
  writer.hex(2, spanId);
  if (traceState !== undefined) writer.string(3, traceState.serialize());
  if (link.attributes !== undefined) writeAttributes(writer, 4, link.attributes);
  writeCount(writer, 5, link.droppedAttributesCount ?? 0);
  writer.fixed32(6, flagsOf(traceFlags, isRemote));
  writer.end(start);
}

function writeStatus(writer: WireWriter, { code, message }: ReadableSpan["status"]): void {
  const start = writer.begin(15);
  if (message !== undefined) writer.string(2, message);
  writeCount(writer, 3, code);
  writer.end(start);
}

function flagsOf(traceFlags: number, isRemote: boolean | undefined): number {
  return (traceFlags & 0xff) | HAS_IS_REMOTE | (isRemote ? IS_REMOTE : 0);
}

function writeCount(writer: WireWriter, field: number, count: number): void {
  if (count !== 0) writer.uint32(field, count);
}

/** Nanoseconds since 1970, which are more than a number holds: by its upper and lower bits. */
function writeTime(writer: WireWriter, field: number, [seconds, nanoseconds]: HrTime): void {
  const upper = Math.floor(seconds / 65_536) * 1e9;
  const lower = (seconds % 65_536) * 1e9 + nanoseconds + (upper % 65_536) * 65_536;
  const high = Math.floor(upper / 65_536) + Math.floor(lower / TWO_32);
  writer.fixed64Halves(field, lower % TWO_32, high);
}

interface KnownKey {
  /** The field `key` of a KeyValue. */
  readonly bytes: Uint8Array;
  /** KeyValues of texts that came before. */
  readonly texts: Map<unknown, Uint8Array>;
}

const knownKeys = new Map<string, KnownKey>();
const scratch = new WireWriter();

function writeAttributes(
  writer: WireWriter,
  field: number,
  attributes: Readonly<Record<string, unknown>>,
): void {
  for (const key in attributes) {
    const value = attributes[key];
    if (value === undefined) continue;
    const known = knownKeys.get(key) ?? learnKey(key);
    const keyValue = known.texts.get(value);
    if (keyValue !== undefined) {
      writer.bytes(field, keyValue);
    } else if (isWorthKnowing(known, value)) {
      writer.bytes(field, learnText(known, value));
    } else {
      const start = writer.begin(field);
      writer.raw(known.bytes);
      writeValue(writer, 2, value);
      writer.end(start);
    }
  }
}

function learnKey(key: string): KnownKey {
  scratch.string(1, key);
  const known = { bytes: scratch.finish(), texts: new Map() };
  if (knownKeys.size < MAX_KNOWN_KEYS) knownKeys.set(key, known);
  return known;
}

function isWorthKnowing({ texts }: KnownKey, value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_KNOWN_CHARS &&
    texts.size < MAX_KNOWN_TEXTS;
}

function learnText({ bytes, texts }: KnownKey, value: string): Uint8Array {
  scratch.raw(bytes);
  writeValue(scratch, 2, value);
  const keyValue = scratch.finish();
  texts.set(value, keyValue);
  return keyValue;
}

/** A number without fractions is an integer, as in the SDK. */
function writeValue(writer: WireWriter, field: number, value: unknown): void {
  const start = writer.begin(field);
  if (typeof value === "string") writer.string(1, value);
  else if (typeof value === "boolean") writer.bool(2, value);
  else if (Number.isSafeInteger(value)) writeInteger(writer, value as number);
  else if (typeof value === "number") writer.double(4, value);
  else if (Array.isArray(value)) {
    const list = writer.begin(5);
    for (const item of value) writeValue(writer, 1, item);
    writer.end(list);
  }
  writer.end(start);
}

function writeInteger(writer: WireWriter, value: number): void {
  if (value >= 0) writer.uint32(3, value);
  else writer.int64(3, BigInt(value));
}
