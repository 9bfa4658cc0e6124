/**
 * Values of TraceQL and their comparison.
 *
 * A comparison of values whose types do not go together is false, `!=` included, as in Tempo: a span
 * without the attribute matches neither `{ .a = 1 }` nor `{ .a != 1 }`.
 */

import type { AttributeValue, SpanKind, SpanStatus } from "../otlp/mod.ts";
import { formatDuration } from "./duration.ts";
import { matchesPattern } from "./pattern.ts";

export type Static =
  | AttributeValue
  | { readonly type: "nil" }
  /** Only while pruning: the value is not known. */
  | { readonly type: "unknown" }
  /** Nanoseconds. */
  | { readonly type: "duration"; readonly value: number }
  | { readonly type: "status"; readonly value: SpanStatus }
  | { readonly type: "kind"; readonly value: SpanKind };

export type StaticType = Static["type"];

export type ComparisonOp = "=" | "!=" | "<" | "<=" | ">" | ">=" | "=~" | "!~";

export const NIL: Static = { type: "nil" };
export const UNKNOWN: Static = { type: "unknown" };
const TRUE: Static = { type: "bool", value: true };
const FALSE: Static = { type: "bool", value: false };

export function boolStatic(value: boolean): Static {
  return value ? TRUE : FALSE;
}

export function isNumeric(type: StaticType): type is "int" | "float" | "duration" {
  return type === "int" || type === "float" || type === "duration";
}

/** The exact number of a numeric value; undefined for others. */
function exactNumber(value: Static): number | bigint | undefined {
  return value.type === "int" || value.type === "float" || value.type === "duration"
    ? value.value
    : undefined;
}

/** The number of a numeric value; undefined for others. */
export function numberOf(value: Static): number | undefined {
  const number = exactNumber(value);
  return number === undefined ? undefined : Number(number);
}

/** Any element of an array may satisfy a comparison; all of them must satisfy a negated one. */
export function compareStatics(op: ComparisonOp, left: Static, right: Static): boolean {
  if (left.type === "array") {
    const test = (item: Static) => compareStatics(op, item, right);
    return op === "!=" || op === "!~"
      ? left.value.length > 0 && left.value.every(test)
      : left.value.some(test);
  }
  if (right.type === "array") return compareStatics(mirrored(op), right, left);
  const leftNumber = exactNumber(left);
  const rightNumber = exactNumber(right);
  if (leftNumber !== undefined && rightNumber !== undefined) {
    return compareNumbers(op, leftNumber, rightNumber);
  }
  if (left.type !== right.type) return false;
  switch (left.type) {
    case "string":
      return compareStrings(op, left.value, (right as typeof left).value);
    case "bool":
    case "status":
    case "kind":
      if (op === "=") return left.value === (right as typeof left).value;
      return op === "!=" && left.value !== (right as typeof left).value;
    default:
      return false;
  }
}

/** A bigint and a number compare by their exact values. */
function compareNumbers(op: ComparisonOp, left: number | bigint, right: number | bigint): boolean {
  switch (op) {
    case "=":
      return left <= right && left >= right;
    case "!=":
      return left < right || left > right;
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    case ">=":
      return left >= right;
    default:
      return false;
  }
}

function compareStrings(op: ComparisonOp, left: string, right: string): boolean {
  switch (op) {
    case "=":
      return left === right;
    case "!=":
      return left !== right;
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    case ">=":
      return left >= right;
    case "=~":
      return matchesPattern(right, left);
    case "!~":
      return !matchesPattern(right, left);
  }
}

function mirrored(op: ComparisonOp): ComparisonOp {
  const mirrors: Partial<Record<ComparisonOp, ComparisonOp>> = {
    "<": ">",
    "<=": ">=",
    ">": "<",
    ">=": "<=",
  };
  return mirrors[op] ?? op;
}

/** As labels and values print: the bare text of a string, Go's form of a duration. */
export function staticText(value: Static): string {
  switch (value.type) {
    case "duration":
      return formatDuration(value.value);
    case "nil":
    case "unknown":
    case "empty":
      return "nil";
    case "array":
      return `[${value.value.map(staticText).join(", ")}]`;
    case "kvlist":
      return `{${value.value.map(({ key, value }) => `${key}: ${staticText(value)}`).join(", ")}}`;
    case "bytes":
      return value.value.toBase64();
    default:
      return String(value.value);
  }
}

/** As OTLP/JSON's AnyValue; intrinsics that OTLP has no type for are strings. */
export function staticToJson(value: Static): Record<string, unknown> {
  switch (value.type) {
    case "int":
      return { intValue: String(value.value) };
    case "float":
      return { doubleValue: Number.isFinite(value.value) ? value.value : String(value.value) };
    case "bool":
      return { boolValue: value.value };
    case "array":
      return { arrayValue: { values: value.value.map(staticToJson) } };
    case "kvlist":
      return {
        kvlistValue: {
          values: value.value.map(({ key, value }) => ({ key, value: staticToJson(value) })),
        },
      };
    case "bytes":
      return { bytesValue: value.value.toBase64() };
    default:
      return { stringValue: staticText(value) };
  }
}

/** Equal keys mean equal values of one type. */
export function staticKey(value: Static): string {
  return `${value.type}:${staticText(value)}`;
}
