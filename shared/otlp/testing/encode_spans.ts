/** Spans as data into the export request that would carry them. */

import {
  type Attribute,
  type AttributeValue,
  SPAN_KINDS,
  SPAN_STATUSES,
  type SpanData,
  WireWriter,
} from "../mod.ts";

/** One TracesData; each span gets a resource message of its own. */
export function encodeSpans(spans: readonly SpanData[]): Uint8Array<ArrayBuffer> {
  const writer = new WireWriter();
  for (const span of spans) {
    writer.message(1, () => {
      writer.message(1, () => writeAttributes(writer, 1, span.resource.attributes));
      writer.message(2, () => {
        writer.message(1, () => {
          writer.string(1, span.scope.name);
          writer.string(2, span.scope.version);
          writeAttributes(writer, 3, span.scope.attributes);
        });
        writer.message(2, () => writeSpan(writer, span));
      });
    });
  }
  return writer.finish();
}

function writeSpan(writer: WireWriter, span: SpanData): void {
  writer.bytes(1, Uint8Array.fromHex(span.traceId));
  writer.bytes(2, Uint8Array.fromHex(span.spanId));
  if (span.parentSpanId !== "") writer.bytes(4, Uint8Array.fromHex(span.parentSpanId));
  writer.string(5, span.name);
  writer.uint32(6, SPAN_KINDS.indexOf(span.kind));
  writer.fixed64(7, span.startNs);
  writer.fixed64(8, span.endNs);
  writeAttributes(writer, 9, span.attributes);
  for (const event of span.events) {
    writer.message(11, () => {
      writer.fixed64(1, event.timeNs);
      writer.string(2, event.name);
      writeAttributes(writer, 3, event.attributes);
    });
  }
  for (const link of span.links) {
    writer.message(13, () => {
      writer.bytes(1, Uint8Array.fromHex(link.traceId));
      writer.bytes(2, Uint8Array.fromHex(link.spanId));
      writeAttributes(writer, 4, link.attributes);
    });
  }
  writer.message(15, () => {
    writer.string(2, span.statusMessage);
    writer.uint32(3, SPAN_STATUSES.indexOf(span.status));
  });
}

function writeAttributes(
  writer: WireWriter,
  field: number,
  attributes: readonly Attribute[],
): void {
  for (const { key, value } of attributes) {
    writer.message(field, () => {
      writer.string(1, key);
      writer.message(2, () => writeValue(writer, value));
    });
  }
}

function writeValue(writer: WireWriter, value: AttributeValue): void {
  switch (value.type) {
    case "string":
      return writer.string(1, value.value);
    case "bool":
      return writer.bool(2, value.value);
    case "int":
      return writer.int64(3, BigInt(value.value));
    case "float":
      return writer.double(4, value.value);
    case "array":
      return writer.message(5, () => {
        for (const item of value.value) writer.message(1, () => writeValue(writer, item));
      });
    case "kvlist":
      return writer.message(6, () => writeAttributes(writer, 1, value.value));
    case "bytes":
      return writer.bytes(7, value.value);
    case "empty":
  }
}
