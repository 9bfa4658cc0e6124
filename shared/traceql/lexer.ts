/** Splits a query into tokens. Attributes and scoped intrinsics are one token each. */

import type { AttributeRef, AttributeScope } from "./ast.ts";
import { attributeRef, intrinsicRef, SCOPES } from "./attribute.ts";
import { parseDuration } from "./duration.ts";
import { parseError } from "./errors.ts";

export type Token =
  & {
    readonly at: number;
    readonly end: number;
    /** As written. */
    readonly text: string;
  }
  & (
    | { readonly kind: "operator" | "word" | "end" }
    | { readonly kind: "string"; readonly value: string }
    | { readonly kind: "int"; readonly value: number | bigint }
    | { readonly kind: "float" | "duration"; readonly value: number }
    | { readonly kind: "attribute"; readonly ref: AttributeRef }
  );

const SPACE = /(?:\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const DURATION = /(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h|d|w|y))+/y;
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const NAME_RUN = /[^\s{}()=~!<>&|^,"]+/y;
const STRING = /"(?:[^"\\\n]|\\.)*"|`[^`]*`/y;
/** The longest come first. */
const OPERATOR =
  /!>>|!<<|&>>|&<<|!>|!<|!~|!=|&>|&<|&~|&&|\|\||>>|<<|>=|<=|=~|[{}(),.=<>~!|+\-*/%^]/y;

/** Throws a QueryError at what is no token. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let position = 0;
  for (;;) {
    position += matchAt(SPACE, source, position).length;
    if (position >= source.length) break;
    const token = readToken(source, position);
    tokens.push(token);
    position = token.end;
  }
  tokens.push({ kind: "end", text: "$end", at: source.length, end: source.length });
  return tokens;
}

function readToken(source: string, at: number): Token {
  const char = source[at];
  const number = matchAt(NUMBER, source, at);
  if (number !== "") return numberToken(source, at, number);
  if (char === ".") return attributeToken(source, { at, nameAt: at + 1, scope: "any" });
  const word = matchAt(WORD, source, at);
  if (word !== "") return wordToken(source, at, word);
  const string = matchAt(STRING, source, at);
  if (string !== "") {
    const value = unquoted(source, at, string);
    return { kind: "string", value, text: string, at, end: at + string.length };
  }
  const operator = matchAt(OPERATOR, source, at);
  if (operator === "") {
    const what = char === '"' || char === "`" ? "literal not terminated" : `unexpected ${char}`;
    throw parseError(source, at, `syntax error: ${what}`);
  }
  return { kind: "operator", text: operator, at, end: at + operator.length };
}

function numberToken(source: string, at: number, number: string): Token {
  const duration = matchAt(DURATION, source, at);
  if (duration !== "") {
    const value = parseDuration(duration) ?? NaN;
    return { kind: "duration", value, text: duration, at, end: at + duration.length };
  }
  const end = at + number.length;
  if (!/^\d+$/.test(number)) return { kind: "float", value: Number(number), text: number, at, end };
  const exact = BigInt(number);
  if (BigInt.asIntN(64, exact) !== exact) {
    throw parseError(source, at, `${number} does not fit into 64 bits`);
  }
  const value = Number.isSafeInteger(Number(exact)) ? Number(exact) : exact;
  return { kind: "int", value, text: number, at, end };
}

function wordToken(source: string, at: number, word: string): Token {
  const end = at + word.length;
  const next = source[end];
  if (next === "." && SCOPES.has(word)) {
    return attributeToken(source, { at, nameAt: end + 1, scope: word as AttributeScope });
  }
  if (next === "." && word === "parent") {
    throw parseError(source, at, "parent attributes are not supported");
  }
  if (next === ":") {
    const text = `${word}:${matchAt(WORD, source, end + 1)}`;
    const ref = intrinsicRef(text);
    if (ref === undefined) throw parseError(source, at, `unknown intrinsic: ${text}`);
    return { kind: "attribute", ref, text, at, end: at + text.length };
  }
  const ref = intrinsicRef(word);
  return ref === undefined
    ? { kind: "word", text: word, at, end }
    : { kind: "attribute", ref, text: word, at, end };
}

interface AttributeStart {
  readonly at: number;
  readonly nameAt: number;
  readonly scope: AttributeScope;
}

/** A name may have parts in quotes, for characters that would end it. */
function attributeToken(source: string, { at, nameAt, scope }: AttributeStart): Token {
  let name = "";
  let end = nameAt;
  for (;;) {
    const run = matchAt(NAME_RUN, source, end);
    const quoted = run === "" ? matchAt(STRING, source, end) : "";
    if (run === "" && (quoted === "" || quoted.startsWith("`"))) break;
    name += run !== "" ? run : unquoted(source, end, quoted);
    end += run.length + quoted.length;
  }
  if (name === "") throw parseError(source, end, "syntax error: an attribute needs a name");
  return {
    kind: "attribute",
    ref: attributeRef(scope, name),
    text: source.slice(at, end),
    at,
    end,
  };
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  '"': '"',
};

function unquoted(source: string, at: number, quoted: string): string {
  const inner = quoted.slice(1, -1);
  if (quoted.startsWith("`")) return inner;
  return inner.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\s\S]))/g,
    (escape, hex2?: string, hex4?: string, hex8?: string, letter?: string) => {
      const hex = hex2 ?? hex4 ?? hex8;
      const code = hex === undefined ? NaN : Number.parseInt(hex, 16);
      if (code <= 0x10ffff) return String.fromCodePoint(code);
      const char = ESCAPES[letter ?? ""];
      if (char === undefined) throw parseError(source, at, `invalid escape ${escape} in a string`);
      return char;
    },
  );
}

function matchAt(pattern: RegExp, source: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0] ?? "";
}
