/** Reads attribute values and lists of attributes. */

import { OtlpError } from "./errors.ts";
import { MAX_VALUE_DEPTH } from "./schema.ts";
import type { Attribute, AttributeValue } from "./value.ts";
import { WireReader } from "./wire_reader.ts";

const EMPTY: AttributeValue = { type: "empty" };

/** Reads a KeyValue message. Throws an OtlpError. */
export function readAttribute(reader: WireReader, depth = 0): Attribute {
  let key = "";
  let value = EMPTY;
  while (reader.next()) {
    if (reader.field === 1) key = reader.string();
    else if (reader.field === 2) value = readValue(reader.message(), depth);
    else reader.skip();
  }
  return { key, value };
}

function readValue(reader: WireReader, depth: number): AttributeValue {
  if (depth > MAX_VALUE_DEPTH) {
    throw new OtlpError(`Cannot read an attribute: values nest deeper than ${MAX_VALUE_DEPTH}`);
  }
  let value = EMPTY;
  while (reader.next()) value = readAlternative(reader, depth, value);
  return value;
}

function readAlternative(
  reader: WireReader,
  depth: number,
  before: AttributeValue,
): AttributeValue {
  switch (reader.field) {
    case 1:
      return { type: "string", value: reader.string() };
    case 2:
      return { type: "bool", value: reader.bool() };
    case 3:
      return { type: "int", value: reader.int64() };
    case 4:
      return { type: "float", value: reader.double() };
    case 5:
      return { type: "array", value: readArray(reader.message(), depth + 1) };
    case 6:
      return { type: "kvlist", value: readKeyValueList(reader.message(), depth + 1) };
    case 7:
      return { type: "bytes", value: reader.slice() };
    default:
      reader.skip();
      return before;
  }
}

function readArray(reader: WireReader, depth: number): AttributeValue[] {
  const values: AttributeValue[] = [];
  while (reader.next()) {
    if (reader.field === 1) values.push(readValue(reader.message(), depth));
    else reader.skip();
  }
  return values;
}

function readKeyValueList(reader: WireReader, depth: number): Attribute[] {
  const list: Attribute[] = [];
  while (reader.next()) {
    if (reader.field === 1) list.push(readAttribute(reader.message(), depth));
    else reader.skip();
  }
  return list;
}
