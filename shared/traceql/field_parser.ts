/**
 * Field expressions, `span.a > 1 && !(name = "x")`, with Tempo's precedence: `&&` and `||` bind alike
 * and from the left, comparisons tighter, then `+ -`, `* / %` and `^`.
 */

import type { AttributeRef, BinaryOp, FieldExpression, Intrinsic } from "./ast.ts";
import type { Static } from "./static.ts";
import type { TokenStream } from "./token_stream.ts";

const PRECEDENCE: Readonly<Record<BinaryOp, number>> = {
  "&&": 1,
  "||": 1,
  "=": 2,
  "!=": 2,
  "<": 2,
  "<=": 2,
  ">": 2,
  ">=": 2,
  "=~": 2,
  "!~": 2,
  "+": 3,
  "-": 3,
  "*": 5,
  "/": 5,
  "%": 5,
  "^": 6,
};
const ID_DIGITS: Readonly<Partial<Record<Intrinsic, number>>> = {
  "trace:id": 32,
  "link:traceID": 32,
  "span:id": 16,
  "span:parentID": 16,
  "link:spanID": 16,
};
/** Operands of a unary operator bind at least so tightly. */
const UNARY_PRECEDENCE = { "-": 4, "!": 5 } as const;

const IS_ROOT: AttributeRef = {
  scope: "intrinsic",
  name: "isRoot",
  text: "nestedSetParent",
};

const WORD_STATICS: Readonly<Record<string, Static>> = {
  true: { type: "bool", value: true },
  false: { type: "bool", value: false },
  nil: { type: "nil" },
  ok: { type: "status", value: "ok" },
  error: { type: "status", value: "error" },
  unset: { type: "status", value: "unset" },
  unspecified: { type: "kind", value: "unspecified" },
  internal: { type: "kind", value: "internal" },
  server: { type: "kind", value: "server" },
  client: { type: "kind", value: "client" },
  producer: { type: "kind", value: "producer" },
  consumer: { type: "kind", value: "consumer" },
};

/** Throws a QueryError. */
export function parseFieldExpression(tokens: TokenStream, minPrecedence = 0): FieldExpression {
  return tokens.nested(() => {
    let left = parseOperand(tokens);
    for (;;) {
      const op = binaryOp(tokens);
      if (op === undefined || PRECEDENCE[op] < minPrecedence) return left;
      const { at } = tokens.take();
      // Only `^` binds from the right.
      const right = parseFieldExpression(tokens, PRECEDENCE[op] + (op === "^" ? 0 : 1));
      left = asksForRoot(op, left, right)
        ? { kind: "attribute", ref: IS_ROOT, at }
        : { kind: "binary", op, left, right: withFullId(left, right), at };
    }
  });
}

function asksForRoot(op: BinaryOp, left: FieldExpression, right: FieldExpression): boolean {
  return op === "<" && left.kind === "attribute" && left.ref.scope === "intrinsic" &&
    left.ref.name === "nestedSetParent" && right.kind === "static" &&
    right.value.type === "int" && right.value.value === 0;
}

/** Search answers strip an id's leading zeros: a comparison with such an id means the whole one. */
function withFullId(left: FieldExpression, right: FieldExpression): FieldExpression {
  if (left.kind !== "attribute" || left.ref.scope !== "intrinsic") return right;
  const digits = ID_DIGITS[left.ref.name];
  if (digits === undefined || right.kind !== "static" || right.value.type !== "string") {
    return right;
  }
  const { value } = right.value;
  if (!/^[0-9a-fA-F]{1,32}$/.test(value)) return right;
  const id = value.toLowerCase().padStart(digits, "0");
  return { ...right, value: { type: "string", value: id } };
}

/** An attribute or intrinsic. Throws a QueryError. */
export function parseAttribute(tokens: TokenStream): AttributeRef {
  const token = tokens.current;
  if (token.kind !== "attribute") throw tokens.unexpected();
  tokens.take();
  return token.ref;
}

/** A literal value, with its sign. Throws a QueryError. */
export function parseStatic(tokens: TokenStream): Static {
  const isNegative = tokens.accept("-");
  const token = tokens.current;
  const value = staticOf(tokens);
  if (value === undefined) throw tokens.unexpected();
  if (!isNegative) return value;
  if (token.kind !== "int" && token.kind !== "float" && token.kind !== "duration") {
    throw tokens.unexpected();
  }
  return negated(value);
}

/** The value with the other sign; others than numbers as they are. */
export function negated(value: Static): Static {
  if (value.type === "int") return { type: "int", value: -value.value };
  if (value.type === "float" || value.type === "duration") {
    return { type: value.type, value: -value.value };
  }
  return value;
}

function parseOperand(tokens: TokenStream): FieldExpression {
  const { at } = tokens.current;
  if (tokens.accept("(")) {
    const inner = parseFieldExpression(tokens);
    tokens.expect(")");
    return inner;
  }
  for (const op of ["!", "-"] as const) {
    if (!tokens.accept(op)) continue;
    const operand = parseFieldExpression(tokens, UNARY_PRECEDENCE[op]);
    return { kind: "unary", op, operand, at };
  }
  const value = staticOf(tokens);
  if (value !== undefined) return { kind: "static", value, at };
  return { kind: "attribute", ref: parseAttribute(tokens), at };
}

/** Takes a literal, if the current token is one. */
function staticOf(tokens: TokenStream): Static | undefined {
  const token = tokens.current;
  if (token.kind === "string") {
    tokens.take();
    return { type: "string", value: token.value };
  }
  if (token.kind === "int") {
    tokens.take();
    return { type: "int", value: token.value };
  }
  if (token.kind === "float" || token.kind === "duration") {
    tokens.take();
    return { type: token.kind, value: token.value };
  }
  if (token.kind !== "word" || !Object.hasOwn(WORD_STATICS, token.text)) return undefined;
  tokens.take();
  return WORD_STATICS[token.text];
}

function binaryOp(tokens: TokenStream): BinaryOp | undefined {
  const { kind, text } = tokens.current;
  return kind === "operator" && Object.hasOwn(PRECEDENCE, text) ? text as BinaryOp : undefined;
}
