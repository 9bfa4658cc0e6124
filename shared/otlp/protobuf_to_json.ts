/**
 * OTLP/protobuf into the JSON of Tempo's trace endpoints: ids in base64, enumerations by name, 64-bit
 * numbers as strings, and nothing that is zero or empty, except a span's status.
 */

import {
  type Field,
  KIND_NAMES,
  type Message,
  type ScalarType,
  SPAN,
  STATUS_CODE_NAMES,
  TRACES_DATA,
} from "./schema.ts";
import { WireReader } from "./wire_reader.ts";

type Json = Record<string, unknown>;

/** The resource spans of a TracesData. Throws an OtlpError. */
export function tracesToJson(bytes: Uint8Array): Json[] {
  const { resourceSpans } = messageToJson(new WireReader(bytes), TRACES_DATA);
  return Array.isArray(resourceSpans) ? resourceSpans : [];
}

function messageToJson(reader: WireReader, message: Message): Json {
  const json: Json = message === SPAN ? { status: {} } : {};
  while (reader.next()) {
    const field = message.fields.find(({ number }) => number === reader.field);
    if (field === undefined) {
      reader.skip();
      continue;
    }
    const value = fieldToJson(reader, field);
    if (field.isRepeated) {
      const list = json[field.name];
      if (Array.isArray(list)) list.push(value);
      else json[field.name] = [value];
    } else if (message.isOneOf || !isZero(value)) {
      json[field.name] = value;
    }
  }
  return inOrder(json, message);
}

/** Fields in the order of the schema, whatever the sender's. */
function inOrder(json: Json, message: Message): Json {
  const ordered: Json = {};
  for (const { name } of message.fields) if (name in json) ordered[name] = json[name];
  return ordered;
}

function fieldToJson(reader: WireReader, { type }: Field): unknown {
  return typeof type === "function"
    ? messageToJson(reader.message(), type())
    : SCALARS[type](reader);
}

const SCALARS: Readonly<Record<ScalarType, (reader: WireReader) => unknown>> = {
  string: (reader) => reader.string(),
  bytes: (reader) => reader.slice().toBase64(),
  id: (reader) => reader.slice().toBase64(),
  bool: (reader) => reader.bool(),
  int64: (reader) => String(reader.int64()),
  double: (reader) => doubleToJson(reader.double()),
  uint32: (reader) => reader.uint32(),
  fixed32: (reader) => reader.fixed32(),
  fixed64: (reader) => String(reader.fixed64()),
  kind: (reader) => enumToJson(reader, KIND_NAMES),
  statusCode: (reader) => enumToJson(reader, STATUS_CODE_NAMES),
};

function doubleToJson(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

/** Zero is absent; a number without a name stays one. */
function enumToJson(reader: WireReader, names: readonly string[]): string | number {
  const value = reader.uint32();
  return value === 0 ? 0 : names[value] ?? value;
}

function isZero(value: unknown): boolean {
  return value === "" || value === 0 || value === false || value === "0";
}
