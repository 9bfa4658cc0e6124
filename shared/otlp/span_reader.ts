/**
 * Decodes a TracesData: the spans, and the bytes that each part came from.
 *
 * The bytes are views into the input. The store files them by trace without encoding anything again,
 * so that fields which this version does not know survive.
 */

import { OtlpError } from "./errors.ts";
import {
  type EventData,
  type LinkData,
  type ResourceData,
  type ScopeData,
  SPAN_KINDS,
  SPAN_STATUSES,
  type SpanData,
} from "./span_data.ts";
import type { Attribute } from "./value.ts";
import { readAttribute } from "./value_reader.ts";
import { WireReader } from "./wire_reader.ts";

export interface SpanPart {
  readonly span: SpanData;
  readonly bytes: Uint8Array;
}

export interface ScopePart {
  /** Of the InstrumentationScope; empty when it was left out. */
  readonly scopeBytes: Uint8Array;
  readonly schemaUrl: string;
  readonly spans: readonly SpanPart[];
}

export interface ResourcePart {
  /** Of the Resource; empty when it was left out. */
  readonly resourceBytes: Uint8Array;
  readonly schemaUrl: string;
  readonly scopes: readonly ScopePart[];
}

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;
const NO_BYTES: Uint8Array = new Uint8Array(0);
const NO_SCOPE: ScopeData = { name: "", version: "", attributes: [] };

/** Throws an OtlpError when the bytes are not a TracesData. */
export function readTraces(bytes: Uint8Array): ResourcePart[] {
  const reader = new WireReader(bytes);
  const parts: ResourcePart[] = [];
  while (reader.next()) {
    if (reader.field === 1) parts.push(readResourceSpans(reader.slice()));
    else reader.skip();
  }
  return parts;
}

/** All spans of a TracesData, without the bytes. */
export function readSpans(bytes: Uint8Array): SpanData[] {
  return readTraces(bytes).flatMap(({ scopes }) =>
    scopes.flatMap(({ spans }) => spans.map(({ span }) => span))
  );
}

/** The resource may come after the spans that it describes, so it is read first. */
function readResourceSpans(bytes: Uint8Array): ResourcePart {
  let resourceBytes = NO_BYTES;
  let schemaUrl = "";
  const scopeSpans: Uint8Array[] = [];
  const reader = new WireReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) resourceBytes = reader.slice();
    else if (reader.field === 2) scopeSpans.push(reader.slice());
    else if (reader.field === 3) schemaUrl = reader.string();
    else reader.skip();
  }
  const resource = readResource(new WireReader(resourceBytes));
  return {
    resourceBytes,
    schemaUrl,
    scopes: scopeSpans.map((scopeBytes) => readScopeSpans(scopeBytes, resource)),
  };
}

function readScopeSpans(bytes: Uint8Array, resource: ResourceData): ScopePart {
  let scopeBytes = NO_BYTES;
  let schemaUrl = "";
  const spanBytes: Uint8Array[] = [];
  const reader = new WireReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) scopeBytes = reader.slice();
    else if (reader.field === 2) spanBytes.push(reader.slice());
    else if (reader.field === 3) schemaUrl = reader.string();
    else reader.skip();
  }
  const scope = scopeBytes.length === 0 ? NO_SCOPE : readScope(new WireReader(scopeBytes));
  return {
    scopeBytes,
    schemaUrl,
    spans: spanBytes.map((part) => ({ bytes: part, span: readSpan(part, resource, scope) })),
  };
}

function readResource(reader: WireReader): ResourceData {
  const attributes: Attribute[] = [];
  while (reader.next()) {
    if (reader.field === 1) attributes.push(readAttribute(reader.message()));
    else reader.skip();
  }
  const name = attributes.find(({ key }) => key === "service.name")?.value;
  return { attributes, serviceName: name?.type === "string" ? name.value : "" };
}

function readScope(reader: WireReader): ScopeData {
  let name = "";
  let version = "";
  const attributes: Attribute[] = [];
  while (reader.next()) {
    if (reader.field === 1) name = reader.string();
    else if (reader.field === 2) version = reader.string();
    else if (reader.field === 3) attributes.push(readAttribute(reader.message()));
    else reader.skip();
  }
  return { name, version, attributes };
}

function readSpan(bytes: Uint8Array, resource: ResourceData, scope: ScopeData): SpanData {
  const reader = new WireReader(bytes);
  let traceId = "";
  let spanId = "";
  let parentSpanId = "";
  let name = "";
  let kind = 0;
  let startNs = 0n;
  let endNs = 0n;
  let status = { code: 0, message: "" };
  const attributes: Attribute[] = [];
  const events: EventData[] = [];
  const links: LinkData[] = [];
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        traceId = readId(reader, TRACE_ID_BYTES);
        break;
      case 2:
        spanId = readId(reader, SPAN_ID_BYTES);
        break;
      case 4:
        parentSpanId = readId(reader, SPAN_ID_BYTES);
        break;
      case 5:
        name = reader.string();
        break;
      case 6:
        kind = reader.uint32();
        break;
      case 7:
        startNs = reader.fixed64();
        break;
      case 8:
        endNs = reader.fixed64();
        break;
      case 9:
        attributes.push(readAttribute(reader.message()));
        break;
      case 11:
        events.push(readEvent(reader.message()));
        break;
      case 13:
        links.push(readLink(reader.message()));
        break;
      case 15:
        status = readStatus(reader.message());
        break;
      default:
        reader.skip();
    }
  }
  return {
    traceId,
    spanId,
    parentSpanId: isZeroId(parentSpanId) ? "" : parentSpanId,
    name,
    kind: SPAN_KINDS[kind] ?? "unspecified",
    startNs,
    endNs,
    status: SPAN_STATUSES[status.code] ?? "unset",
    statusMessage: status.message,
    attributes,
    events,
    links,
    resource,
    scope,
  };
}

function readEvent(reader: WireReader): EventData {
  let timeNs = 0n;
  let name = "";
  const attributes: Attribute[] = [];
  while (reader.next()) {
    if (reader.field === 1) timeNs = reader.fixed64();
    else if (reader.field === 2) name = reader.string();
    else if (reader.field === 3) attributes.push(readAttribute(reader.message()));
    else reader.skip();
  }
  return { timeNs, name, attributes };
}

function readLink(reader: WireReader): LinkData {
  let traceId = "";
  let spanId = "";
  const attributes: Attribute[] = [];
  while (reader.next()) {
    if (reader.field === 1) traceId = readId(reader, TRACE_ID_BYTES);
    else if (reader.field === 2) spanId = readId(reader, SPAN_ID_BYTES);
    else if (reader.field === 4) attributes.push(readAttribute(reader.message()));
    else reader.skip();
  }
  return { traceId, spanId, attributes };
}

function readStatus(reader: WireReader): { code: number; message: string } {
  let code = 0;
  let message = "";
  while (reader.next()) {
    if (reader.field === 2) message = reader.string();
    else if (reader.field === 3) code = reader.uint32();
    else reader.skip();
  }
  return { code, message };
}

/** Empty, or lower-case hex of exactly `length` bytes. */
function readId(reader: WireReader, length: number): string {
  const bytes = reader.slice();
  if (bytes.length === 0) return "";
  if (bytes.length !== length) {
    throw new OtlpError(`Cannot read an id of ${bytes.length} bytes: it must have ${length}`);
  }
  return bytes.toHex();
}

/** Absent or all zeros, which OTLP calls invalid. */
export function isZeroId(id: string): boolean {
  return /^0*$/.test(id);
}
