/**
 * Secrets that a name is given to: `password=…`, `"api_key": "…"`, `token: Some("…")`.
 *
 * Only the value goes; the name stays, so that a reader knows what was there. A value that is a plain
 * word after `token:` or the like is prose ("unexpected token: end") and stays.
 */

import { isSecretName } from "./redact_names.ts";
import { REDACTED } from "./redact_shapes.ts";
import { isCount, isHarmless, isOpaque } from "./redact_values.ts";

/** A name and the sign behind it; quotes may be escaped, as in JSON that is a string of JSON. */
const NAMED =
  /(?<![A-Za-z0-9_])([A-Za-z_][\w.-]{0,80})(?:\\{0,8}["'`])?\]?\s{0,2}(=>|:=|=(?!=)|(?<!\d):(?!\/\/)|:(?!\d|\/\/))\s{0,4}/g;
/** What languages put before the quote of a text or around a value: `b'…'`, `Some("…")`, `["…"]`. */
const WRAPPING = /(?:[A-Za-z_]\w{0,30}\(|[bBuUrR]{1,2}|\[)(?=\\{0,8}["'`])|\[/y;
const OPENING_QUOTE = /(?:\\{0,8})(?:"""|'''|["'`])/y;
/** Not the sign behind it that belongs to a sentence. */
const BARE_VALUE = /[^\s"'`,;&<>)}\]\\]{0,4095}[^\s"'`,;&<>)}\]\\:.]/y;
/** `|` or `>-` and the line below, as YAML has it. */
const BLOCK = /[|>][+-]?[ \t]{0,2}(?:\r?\n|\\{1,8}n)[ \t]{1,40}/y;
const BLOCK_VALUE = /[^\r\n"'`\\]{1,4096}/y;
/** `Password={…}` of a connection string. */
const BRACED_VALUE = /[^}]{1,4096}/y;

/** Hides however it is written; the others are also words of prose, and of language models. */
const ALWAYS = /pass|pwd|key|jwt|cookie|seed|signature|pat$/i;
/** The name of a secret in AWS's manner: `arn:aws:secretsmanager:…:secret:name`. */
const ARN = /\barn:[\w:/-]{0,120}:$/;
const MAX_ARN = 128;

interface AssignedValue {
  readonly start: number;
  readonly end: number;
  readonly isQuoted: boolean;
}

/** The text without the values that it gives to names of secrets. */
export function hideAssignments(text: string): string {
  let shown = "";
  let done = 0;
  NAMED.lastIndex = 0;
  for (let match = NAMED.exec(text); match !== null; match = NAMED.exec(text)) {
    const [, name = "", sign = ""] = match;
    if (!isSecretName(name) && !isQuotedPass(text, match)) continue;
    const value = valueAt(text, NAMED.lastIndex, sign);
    if (value === null || !isHidden(text.slice(value.start, value.end), { ...value, name, sign })) {
      continue;
    }
    if (ARN.test(text.slice(Math.max(0, match.index - MAX_ARN), match.index))) continue;
    shown += text.slice(done, value.start) + REDACTED;
    done = value.end;
    NAMED.lastIndex = value.end;
  }
  return shown + text.slice(done);
}

/** `"pass": "…"`: without quotes it is a pass of the GPU, or of anything. */
function isQuotedPass(text: string, { 0: whole, 1: name, index }: RegExpExecArray): boolean {
  const isQuoted = /["']/.test(text[index - 1] ?? "") &&
    /["'\\]/.test(text[index + whole.length] ?? "");
  return isQuoted && name?.toLowerCase() === "pass";
}

function valueAt(text: string, from: number, sign: string): AssignedValue | null {
  const block = matchAt(BLOCK, text, from);
  if (block !== null) return bareAt(BLOCK_VALUE, text, from + block.length);
  if (sign === "=" && text[from] === "{") return bareAt(BRACED_VALUE, text, from + 1);
  const at = from + (matchAt(WRAPPING, text, from)?.length ?? 0);
  const opening = matchAt(OPENING_QUOTE, text, at);
  if (opening === null) return bareAt(BARE_VALUE, text, at);
  const escapes = opening.lastIndexOf("\\") + 1;
  const quote = opening.slice(escapes);
  const start = at + opening.length;
  let end = text.indexOf(quote, start);
  while (end !== -1 && escapesBefore(text, end) !== escapes) end = text.indexOf(quote, end + 1);
  return { start, end: end === -1 ? text.length : end - escapes, isQuoted: true };
}

function matchAt(pattern: RegExp, text: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? null;
}

function bareAt(pattern: RegExp, text: string, at: number): AssignedValue | null {
  const value = matchAt(pattern, text, at);
  return value === null ? null : { start: at, end: at + value.length, isQuoted: false };
}

function escapesBefore(text: string, at: number): number {
  let count = 0;
  while (text[at - 1 - count] === "\\") count++;
  return count;
}

interface Naming {
  readonly name: string;
  readonly sign: string;
  readonly isQuoted: boolean;
}

function isHidden(value: string, { name, sign, isQuoted }: Naming): boolean {
  if (value === "" || isHarmless(value)) return false;
  if (name === "PWD" && value.startsWith("/")) return false;
  if (ALWAYS.test(name)) return true;
  const isProse = !isQuoted && sign.includes(":");
  return isProse ? isOpaque(value) && !isCount(value) : !isCount(value);
}
