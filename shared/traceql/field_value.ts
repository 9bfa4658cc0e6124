/**
 * The value of a field expression.
 *
 * The one evaluator serves exact answers and pruning: a lookup that returns `unknown` makes what
 * depends on it unknown, unless the other side of `&&` or `||` decides alone.
 */

import type { ArithmeticOp, AttributeRef, FieldExpression } from "./ast.ts";
import { boolStatic, compareStatics, NIL, numberOf, type Static, UNKNOWN } from "./static.ts";

export type Lookup = (ref: AttributeRef) => Static;

/** Nothing here throws: what does not go together is false or nil. */
export function fieldValue(expression: FieldExpression, lookup: Lookup): Static {
  switch (expression.kind) {
    case "static":
      return expression.value;
    case "attribute":
      return lookup(expression.ref);
    case "unary":
      return unaryValue(expression.op, fieldValue(expression.operand, lookup));
    case "binary":
      return binaryValue(expression, lookup);
  }
}

/** Whether the expression holds; `unknown` where the lookup does not say enough. */
export function holds(
  expression: FieldExpression | null,
  lookup: Lookup,
): boolean | "unknown" {
  if (expression === null) return true;
  const value = fieldValue(expression, lookup);
  return value.type === "unknown" ? "unknown" : value.type === "bool" && value.value;
}

/** The attributes that an expression names. */
export function refsOf(expression: FieldExpression | null): AttributeRef[] {
  switch (expression?.kind) {
    case "attribute":
      return [expression.ref];
    case "unary":
      return refsOf(expression.operand);
    case "binary":
      return [...refsOf(expression.left), ...refsOf(expression.right)];
    default:
      return [];
  }
}

function unaryValue(op: "!" | "-", value: Static): Static {
  if (value.type === "unknown") return UNKNOWN;
  if (op === "!") return value.type === "bool" ? boolStatic(!value.value) : NIL;
  if (value.type === "int") return { type: "int", value: -value.value };
  if (value.type === "float" || value.type === "duration") {
    return { type: value.type, value: -value.value };
  }
  return NIL;
}

function binaryValue(expression: FieldExpression & { kind: "binary" }, lookup: Lookup): Static {
  const { op } = expression;
  const left = fieldValue(expression.left, lookup);
  if (op === "&&" || op === "||") {
    const decides = op === "||";
    if (left.type === "bool" && left.value === decides) return boolStatic(decides);
    const right = fieldValue(expression.right, lookup);
    if (right.type === "bool" && right.value === decides) return boolStatic(decides);
    if (left.type === "unknown" || right.type === "unknown") return UNKNOWN;
    // What is no boolean decides against.
    if (left.type !== "bool" || right.type !== "bool") return boolStatic(false);
    return boolStatic(!decides);
  }
  const right = fieldValue(expression.right, lookup);
  if (left.type === "unknown" || right.type === "unknown") return UNKNOWN;
  switch (op) {
    case "+":
    case "-":
    case "*":
    case "/":
    case "%":
    case "^":
      return arithmetic(op, left, right);
    default:
      if (left.type === "nil" || right.type === "nil") return presence(op, expression, left, right);
      return boolStatic(compareStatics(op, left, right));
  }
}

/** A missing value compares with a written `nil` only. */
function presence(
  op: string,
  expression: FieldExpression & { kind: "binary" },
  left: Static,
  right: Static,
): Static {
  const isAsked = isNilLiteral(expression.left) || isNilLiteral(expression.right);
  if (!isAsked) return boolStatic(false);
  const areBothNil = left.type === "nil" && right.type === "nil";
  return boolStatic(op === "=" ? areBothNil : op === "!=" && !areBothNil);
}

function isNilLiteral(expression: FieldExpression): boolean {
  return expression.kind === "static" && expression.value.type === "nil";
}

function arithmetic(op: ArithmeticOp, left: Static, right: Static): Static {
  const a = numberOf(left);
  const b = numberOf(right);
  if (a === undefined || b === undefined) return NIL;
  const type = left.type === "duration" || right.type === "duration" ? "duration" : "float";
  return { type, value: calculate(op, a, b) };
}

function calculate(op: ArithmeticOp, a: number, b: number): number {
  switch (op) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "%":
      return a % b;
    case "^":
      return a ** b;
  }
}
