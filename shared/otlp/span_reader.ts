/**
 * Decodes a TracesData: the spans, and the bytes that each part came from.
 *
 * The bytes are views into the input. The store files them by trace without encoding anything again,
 * so that fields which this version does not know survive.
 */

import { equals } from "@std/bytes/equals.js";
import type { EventData, LinkData, ResourceData, ScopeData, SpanData } from "./span_data.ts";
import { readSpanFields, type SpanLists } from "./span_fields.ts";
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

const NO_BYTES: Uint8Array = new Uint8Array(0);
const NO_SCOPE: ScopeData = { name: "", version: "", attributes: [] };

/** Throws an OtlpError when the bytes are not a TracesData. */
export function readTraces(bytes: Uint8Array): ResourcePart[] {
  return readParts(bytes, readSpan);
}

type ReadSpan = (bytes: Uint8Array, resource: ResourceData, scope: ScopeData) => SpanData;

function readParts(bytes: Uint8Array, read: ReadSpan): ResourcePart[] {
  const reader = new WireReader(bytes);
  const parts: ResourcePart[] = [];
  while (reader.next()) {
    if (reader.field === 1) parts.push(readResourceSpans(reader.slice(), read));
    else reader.skip();
  }
  return parts;
}

/** All spans of a TracesData, without the bytes. Throws an OtlpError when it is none. */
export function readSpans(bytes: Uint8Array): SpanData[] {
  return spansOf(readParts(bytes, readSpan));
}

/**
 * All spans of a TracesData that was read before. Attributes, events and links, which most queries need
 * of few spans, are read when one of them is asked for.
 */
export function readStoredSpans(bytes: Uint8Array): SpanData[] {
  return spansOf(readParts(bytes, (...input) => new StoredSpan(...input)));
}

function spansOf(parts: readonly ResourcePart[]): SpanData[] {
  return parts.flatMap(({ scopes }) =>
    scopes.flatMap(({ spans }) => spans.map(({ span }) => span))
  );
}

/** The resource may come after the spans that it describes, so it is read first. */
function readResourceSpans(bytes: Uint8Array, read: ReadSpan): ResourcePart {
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
  const resource = resourceOf(resourceBytes);
  return {
    resourceBytes,
    schemaUrl,
    scopes: scopeSpans.map((scopeBytes) =>
      readScopeSpans(scopeBytes, (part, scope) => read(part, resource, scope))
    ),
  };
}

function readScopeSpans(
  bytes: Uint8Array,
  read: (bytes: Uint8Array, scope: ScopeData) => SpanData,
): ScopePart {
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
    spans: spanBytes.map((part) => ({ bytes: part, span: read(part, scope) })),
  };
}

interface KnownResource {
  readonly bytes: Uint8Array;
  readonly resource: ResourceData;
}

/** The last ones that were read, the newest first: all spans of a process have the same. */
let knownResources: readonly KnownResource[] = [];
const MAX_KNOWN_RESOURCES = 16;
const MAX_KNOWN_BYTES = 4096;

function resourceOf(bytes: Uint8Array): ResourceData {
  if (bytes.length > MAX_KNOWN_BYTES) return readResource(new WireReader(bytes));
  const known = knownResources.find((one) => equals(one.bytes, bytes));
  if (known !== undefined) return known.resource;
  // A view would hold all that came with it.
  const copy = bytes.slice();
  const added = { bytes: copy, resource: readResource(new WireReader(copy)) };
  knownResources = [added, ...knownResources.slice(0, MAX_KNOWN_RESOURCES - 1)];
  return added.resource;
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
  const lists: SpanLists = { attributes: [], events: [], links: [] };
  return { ...readSpanFields(bytes, lists), ...lists, resource, scope };
}

class StoredSpan implements SpanData {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: SpanData["kind"];
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly status: SpanData["status"];
  readonly statusMessage: string;
  readonly resource: ResourceData;
  readonly scope: ScopeData;
  readonly #bytes: Uint8Array;
  #lists: SpanLists | undefined;

  constructor(bytes: Uint8Array, resource: ResourceData, scope: ScopeData) {
    const head = readSpanFields(bytes, null);
    this.traceId = head.traceId;
    this.spanId = head.spanId;
    this.parentSpanId = head.parentSpanId;
    this.name = head.name;
    this.kind = head.kind;
    this.startNs = head.startNs;
    this.endNs = head.endNs;
    this.status = head.status;
    this.statusMessage = head.statusMessage;
    this.resource = resource;
    this.scope = scope;
    this.#bytes = bytes;
  }

  get attributes(): readonly Attribute[] {
    return this.#read().attributes;
  }

  get events(): readonly EventData[] {
    return this.#read().events;
  }

  get links(): readonly LinkData[] {
    return this.#read().links;
  }

  #read(): SpanLists {
    if (this.#lists !== undefined) return this.#lists;
    const lists: SpanLists = { attributes: [], events: [], links: [] };
    readSpanFields(this.#bytes, lists);
    return this.#lists = lists;
  }
}
