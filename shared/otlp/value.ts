/**
 * Typed attribute values, as OTLP's `AnyValue` has them.
 *
 * An integer that a number cannot hold exactly is a bigint, so that it compares as what it is.
 */

export interface StringValue {
  readonly type: "string";
  readonly value: string;
}

export interface IntValue {
  readonly type: "int";
  readonly value: number | bigint;
}

export interface FloatValue {
  readonly type: "float";
  readonly value: number;
}

export interface BoolValue {
  readonly type: "bool";
  readonly value: boolean;
}

export interface BytesValue {
  readonly type: "bytes";
  readonly value: Uint8Array;
}

export interface ArrayValue {
  readonly type: "array";
  readonly value: readonly AttributeValue[];
}

export interface KeyValueListValue {
  readonly type: "kvlist";
  readonly value: readonly Attribute[];
}

/** A value that its sender left empty. */
export interface EmptyValue {
  readonly type: "empty";
}

export type AttributeValue =
  | StringValue
  | IntValue
  | FloatValue
  | BoolValue
  | BytesValue
  | ArrayValue
  | KeyValueListValue
  | EmptyValue;

export interface Attribute {
  readonly key: string;
  readonly value: AttributeValue;
}
