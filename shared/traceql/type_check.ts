/** Refuses expressions that cannot be right for any span, with the position of the operator. */

import type { AttributeRef, BinaryOp, FieldExpression } from "./ast.ts";
import { meaningError } from "./errors.ts";
import { compilePattern } from "./pattern.ts";
import { isNumeric, type Static, type StaticType } from "./static.ts";

/** `attribute`: of any type, known only with the span. */
type ImpliedType = StaticType | "attribute";

const ARITHMETIC: ReadonlySet<BinaryOp> = new Set<BinaryOp>(["+", "-", "*", "/", "%", "^"]);
const ORDERING: ReadonlySet<BinaryOp> = new Set<BinaryOp>(["<", "<=", ">", ">="]);
const MATCHING: ReadonlySet<BinaryOp> = new Set<BinaryOp>(["=~", "!~"]);

/** Throws a QueryError unless the expression is a condition. */
export function checkFilter(source: string, expression: FieldExpression, text: string): void {
  const type = impliedType(source, expression);
  if (type === "bool" || type === "attribute") return;
  throw meaningError(
    source,
    expression.at,
    `span filter field expressions must resolve to a boolean: ${text}`,
  );
}

/** Throws a QueryError unless spans can be grouped by the expression. */
export function checkGroup(source: string, expression: FieldExpression, text: string): void {
  impliedType(source, expression);
  if (referencesSpan(expression)) return;
  throw meaningError(
    source,
    expression.at,
    `grouping field expressions must reference the span: ${text}`,
  );
}

/** Throws a QueryError unless the expression is a number of a span. */
export function checkAggregate(source: string, expression: FieldExpression, text: string): void {
  const type = impliedType(source, expression);
  if (type !== "attribute" && !isNumericType(type)) {
    throw meaningError(
      source,
      expression.at,
      `aggregate field expressions must resolve to a number type: ${text}`,
    );
  }
  if (referencesSpan(expression)) return;
  throw meaningError(
    source,
    expression.at,
    `aggregate field expressions must reference the span: ${text}`,
  );
}

/** Throws a QueryError unless an aggregate can be compared with the value. */
export function checkScalarFilter(source: string, value: Static, at: number): void {
  if (isNumeric(value.type)) return;
  throw meaningError(source, at, "an aggregate compares with a number or a duration only");
}

function impliedType(source: string, expression: FieldExpression): ImpliedType {
  switch (expression.kind) {
    case "static":
      return expression.value.type;
    case "attribute":
      return typeOfAttribute(expression.ref);
    case "unary": {
      const type = impliedType(source, expression.operand);
      const isValid = expression.op === "!" ? type === "bool" : isNumericType(type);
      if (isValid || type === "attribute") return expression.op === "!" ? "bool" : type;
      throw meaningError(source, expression.at, `illegal operation for the given type: ${type}`);
    }
    case "binary":
      return binaryType(source, expression);
  }
}

function binaryType(
  source: string,
  expression: FieldExpression & { kind: "binary" },
): ImpliedType {
  const { op, at, left, right } = expression;
  const leftType = impliedType(source, left);
  const rightType = impliedType(source, right);
  if (leftType === "nil" || rightType === "nil") {
    checkNil(source, expression);
    return "bool";
  }
  if (!goTogether(leftType, rightType)) {
    throw meaningError(
      source,
      at,
      `binary operations must operate on the same type: ${leftType} ${op} ${rightType}`,
    );
  }
  if (!isAllowed(op, leftType) || !isAllowed(op, rightType)) {
    throw meaningError(
      source,
      at,
      `illegal operation for the given types: ${leftType} ${op} ${rightType}`,
    );
  }
  if (MATCHING.has(op)) checkPattern(source, right);
  if (!ARITHMETIC.has(op)) return "bool";
  return leftType === "duration" || rightType === "duration" ? "duration" : "float";
}

/** Presence is asked of an attribute only: an intrinsic is always there. */
function checkNil(source: string, { op, left, right, at }: FieldExpression & { kind: "binary" }) {
  if (op !== "=" && op !== "!=") {
    throw meaningError(source, at, `illegal operation for the given types: ${op} nil`);
  }
  const other = right.kind === "static" && right.value.type === "nil" ? left : right;
  if (other.kind !== "attribute") {
    throw meaningError(source, at, "nil compares with an attribute only");
  }
  if (other.ref.scope === "intrinsic" && op === "=") {
    throw meaningError(source, at, `${other.ref.text} = nil is not supported`);
  }
}

function checkPattern(source: string, pattern: FieldExpression): void {
  if (pattern.kind !== "static" || pattern.value.type !== "string") {
    throw meaningError(source, pattern.at, "a regular expression must be a string literal");
  }
  try {
    compilePattern(pattern.value.value);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw meaningError(source, pattern.at, `invalid regex: ${reason}`);
  }
}

function isAllowed(op: BinaryOp, type: ImpliedType): boolean {
  if (type === "attribute") return true;
  if (op === "&&" || op === "||") return type === "bool";
  if (op === "=" || op === "!=") return true;
  if (ORDERING.has(op)) return isNumericType(type) || type === "string";
  if (MATCHING.has(op)) return type === "string";
  return isNumericType(type);
}

function goTogether(left: ImpliedType, right: ImpliedType): boolean {
  if (left === "attribute" || right === "attribute") return true;
  return left === right || (isNumericType(left) && isNumericType(right));
}

function isNumericType(type: ImpliedType): boolean {
  return type !== "attribute" && isNumeric(type);
}

function typeOfAttribute(ref: AttributeRef): ImpliedType {
  if (ref.scope !== "intrinsic") return "attribute";
  switch (ref.name) {
    case "duration":
    case "traceDuration":
    case "event:timeSinceStart":
      return "duration";
    case "status":
      return "status";
    case "kind":
      return "kind";
    case "isRoot":
      return "bool";
    case "childCount":
    case "nestedSetLeft":
    case "nestedSetRight":
    case "nestedSetParent":
      return "int";
    default:
      return "string";
  }
}

function referencesSpan(expression: FieldExpression): boolean {
  switch (expression.kind) {
    case "static":
      return false;
    case "attribute":
      return true;
    case "unary":
      return referencesSpan(expression.operand);
    case "binary":
      return referencesSpan(expression.left) || referencesSpan(expression.right);
  }
}
