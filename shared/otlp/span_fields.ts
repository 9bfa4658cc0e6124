/** Decodes the fields of one Span message. */

import { OtlpError } from "./errors.ts";
import {
  type EventData,
  type LinkData,
  SPAN_KINDS,
  SPAN_STATUSES,
  type SpanData,
} from "./span_data.ts";
import type { Attribute } from "./value.ts";
import { readAttribute } from "./value_reader.ts";
import { WireReader } from "./wire_reader.ts";

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

export type SpanHead = Omit<SpanData, "attributes" | "events" | "links" | "resource" | "scope">;

/** The fields that there is more than one of. */
export interface SpanLists {
  readonly attributes: Attribute[];
  readonly events: EventData[];
  readonly links: LinkData[];
}

/** Adds attributes, events and links to `lists`; without lists it passes over them. */
export function readSpanFields(bytes: Uint8Array, lists: SpanLists | null): SpanHead {
  const reader = new WireReader(bytes);
  let traceId = "";
  let spanId = "";
  let parentSpanId = "";
  let name = "";
  let kind = 0;
  let startNs = 0n;
  let endNs = 0n;
  let status = { code: 0, message: "" };
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
        if (lists === null) reader.skip();
        else lists.attributes.push(readAttribute(reader.message()));
        break;
      case 11:
        if (lists === null) reader.skip();
        else lists.events.push(readEvent(reader.message()));
        break;
      case 13:
        if (lists === null) reader.skip();
        else lists.links.push(readLink(reader.message()));
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
