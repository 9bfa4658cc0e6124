/**
 * OTLP/JSON into OTLP/protobuf: hex ids, 64-bit numbers as strings or numbers, unknown fields ignored.
 *
 * What has the wrong type is an OtlpError with its path, and nothing of the request is taken.
 */

import { OtlpError } from "./errors.ts";
import {
  type Field,
  KIND_NAMES,
  MAX_VALUE_DEPTH,
  type Message,
  type ScalarType,
  STATUS_CODE_NAMES,
  TRACES_DATA,
} from "./schema.ts";
import { WireWriter } from "./wire_writer.ts";

/** An AnyValue in an array lies three messages deeper: AnyValue, ArrayValue, AnyValue. */
const MAX_MESSAGE_DEPTH = 8 + 3 * MAX_VALUE_DEPTH;
const ID_BYTES: Readonly<Record<string, number>> = { traceId: 16, spanId: 8, parentSpanId: 8 };

/** Encodes the JSON text of a trace export request. Throws an OtlpError. */
export function tracesJsonToProtobuf(text: string): Uint8Array<ArrayBuffer> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OtlpError(`Cannot parse the JSON: ${reason}`);
  }
  const writer = new WireWriter();
  writeMessage(writer, TRACES_DATA, { value: body, path: "", depth: 0 });
  return writer.finish();
}

interface Place {
  readonly value: unknown;
  readonly path: string;
  readonly depth: number;
}

function writeMessage(writer: WireWriter, message: Message, place: Place): void {
  const { value, path, depth } = place;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrong(path || message.name, "an object", value);
  }
  if (depth > MAX_MESSAGE_DEPTH) {
    throw new OtlpError(
      `Cannot read ${shortened(path)}: values nest deeper than ${MAX_VALUE_DEPTH}`,
    );
  }
  const record = value as Readonly<Record<string, unknown>>;
  for (const field of message.fields) {
    const inner = record[field.name];
    if (inner === undefined || inner === null) continue;
    const innerPath = path === "" ? field.name : `${path}.${field.name}`;
    if (!field.isRepeated) {
      writeField(writer, field, { value: inner, path: innerPath, depth: depth + 1 }, message);
      continue;
    }
    if (!Array.isArray(inner)) throw wrong(innerPath, "an array", inner);
    for (let index = 0; index < inner.length; index++) {
      const item = { value: inner[index], path: `${innerPath}[${index}]`, depth: depth + 1 };
      writeField(writer, field, item, message);
    }
  }
}

function writeField(writer: WireWriter, field: Field, place: Place, owner: Message): void {
  const { type, number } = field;
  if (typeof type === "function") {
    writer.message(number, () => writeMessage(writer, type(), place));
  } else {
    SCALARS[type](writer, { number, name: field.name, place, keepsZero: owner.isOneOf === true });
  }
}

interface ScalarField {
  readonly number: number;
  readonly name: string;
  readonly place: Place;
  readonly keepsZero: boolean;
}

const SCALARS: Readonly<Record<ScalarType, (writer: WireWriter, field: ScalarField) => void>> = {
  string(writer, { number, place, keepsZero }) {
    if (typeof place.value !== "string") throw wrong(place.path, "a string", place.value);
    if (place.value !== "" || keepsZero) writer.string(number, place.value);
  },
  bool(writer, { number, place, keepsZero }) {
    if (typeof place.value !== "boolean") throw wrong(place.path, "a boolean", place.value);
    if (place.value || keepsZero) writer.bool(number, place.value);
  },
  bytes(writer, { number, place }) {
    if (typeof place.value !== "string") throw wrong(place.path, "a base64 string", place.value);
    try {
      writer.bytes(number, Uint8Array.fromBase64(place.value));
    } catch {
      throw wrong(place.path, "a base64 string", place.value);
    }
  },
  id(writer, { number, name, place }) {
    const { value, path } = place;
    const length = ID_BYTES[name] ?? 0;
    const what = `${length * 2} hex digits`;
    if (typeof value !== "string") throw wrong(path, what, value);
    if (value === "") return;
    if (value.length !== length * 2) throw wrong(path, what, value);
    try {
      writer.bytes(number, Uint8Array.fromHex(value));
    } catch {
      throw wrong(path, what, value);
    }
  },
  int64(writer, { number, place }) {
    const value = wholeNumber(place, "a 64-bit whole number");
    if (BigInt.asIntN(64, value) !== value) {
      throw wrong(place.path, "a 64-bit whole number", place.value);
    }
    writer.int64(number, value);
  },
  fixed64(writer, { number, place }) {
    const value = wholeNumber(place, "an unsigned 64-bit whole number");
    if (BigInt.asUintN(64, value) !== value) {
      throw wrong(place.path, "an unsigned 64-bit whole number", place.value);
    }
    if (value !== 0n) writer.fixed64(number, value);
  },
  double(writer, { number, place }) {
    const { value, path } = place;
    const isWord = value === "NaN" || value === "Infinity" || value === "-Infinity";
    if (typeof value !== "number" && !isWord) throw wrong(path, "a number", value);
    writer.double(number, Number(value));
  },
  uint32: (writer, field) => writeUint32(field, (value) => writer.uint32(field.number, value)),
  fixed32: (writer, field) => writeUint32(field, (value) => writer.fixed32(field.number, value)),
  kind: (writer, field) => writeEnum(writer, field, KIND_NAMES),
  statusCode: (writer, field) => writeEnum(writer, field, STATUS_CODE_NAMES),
};

function writeUint32({ place }: ScalarField, write: (value: number) => void): void {
  const { value, path } = place;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    throw wrong(path, "an unsigned 32-bit whole number", value);
  }
  if (value !== 0) write(value);
}

/** A number, as OTLP wants it, or the name that other JSON mappings write. */
function writeEnum(writer: WireWriter, field: ScalarField, names: readonly string[]): void {
  const { value, path } = field.place;
  const code = typeof value === "string" ? names.indexOf(value) : value;
  if (typeof code !== "number" || !Number.isInteger(code) || code < 0 || code > 0x7fff_ffff) {
    throw wrong(path, "the number of an enumeration", value);
  }
  if (code !== 0) writer.uint32(field.number, code);
}

function wholeNumber({ value, path }: Place, what: string): bigint {
  if (typeof value === "number" && Number.isInteger(value)) return BigInt(value);
  if (typeof value === "string" && /^-?\d{1,20}$/.test(value)) return BigInt(value);
  throw wrong(path, what, value);
}

function wrong(path: string, expected: string, value: unknown): OtlpError {
  const shown = JSON.stringify(value) ?? String(value);
  return new OtlpError(`Cannot read ${shortened(path)}: use ${expected}, not ${shortened(shown)}`);
}

function shortened(text: string): string {
  return text.length <= 120 ? text : `${text.slice(0, 100)}…`;
}
