/** The older form of a search: `tags=key=value key="other value"`, all of them on one span. */

import {
  attributeRef,
  type FieldExpression,
  intrinsicRef,
  type Query,
  type Static,
} from "../../shared/traceql/mod.ts";
import { ParameterError } from "./query_parameters.ts";

const PAIR = /\s*([^\s=]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))/y;

/** Throws a ParameterError. */
export function logfmtQuery(text: string): Query {
  let expression: FieldExpression | null = null;
  let position = 0;
  while (text.slice(position).trim() !== "") {
    PAIR.lastIndex = position;
    const match = PAIR.exec(text);
    if (match === null) {
      throw new ParameterError(`invalid tags: use key=value, not "${text.slice(position).trim()}"`);
    }
    const value = match[2]?.replace(/\\(.)/g, "$1") ?? match[3];
    const condition = conditionOf(match[1], value);
    expression = expression === null ? condition : binary("&&", expression, condition);
    position = PAIR.lastIndex;
  }
  return { stages: [{ kind: "filter", expression }], metrics: null };
}

function conditionOf(key: string, text: string): FieldExpression {
  if (key === "error" && text === "true") {
    return equals("status", { type: "status", value: "error" });
  }
  if (key === "name") return equals("name", { type: "string", value: text });
  // The form has no types: a number may be meant, or its digits.
  const readings: Static[] = [{ type: "string", value: text }];
  if (text !== "" && Number.isFinite(Number(text))) {
    readings.push({ type: "float", value: Number(text) });
  }
  if (text === "true" || text === "false") {
    readings.push({ type: "bool", value: text === "true" });
  }
  return readings.map((value) => equals(key, value)).reduce((a, b) => binary("||", a, b));
}

function equals(key: string, value: Static): FieldExpression {
  const isIntrinsic = key === "name" || key === "status";
  const ref = (isIntrinsic ? intrinsicRef(key) : undefined) ?? attributeRef("any", key);
  return binary("=", { kind: "attribute", ref, at: 0 }, { kind: "static", value, at: 0 });
}

function binary(
  op: "=" | "&&" | "||",
  left: FieldExpression,
  right: FieldExpression,
): FieldExpression {
  return { kind: "binary", op, left, right, at: 0 };
}
