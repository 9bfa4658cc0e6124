/**
 * Regular expressions of queries: RE2's, as Tempo has them. They match in time that grows with the text
 * and never explodes, so that a hostile one cannot hold up the queries of others; what RE2 leaves out
 * for that, back references and look-around, is refused.
 */

import { RE2JS } from "re2js";
import { QueryLimitError } from "./errors.ts";

/** Of RE2's instructions, each of which may cost a step for each character of a text. */
const MAX_INSTRUCTIONS = 500;
/** Instructions times characters of one match: more would take seconds. */
const MAX_STEPS = 16 * 1024 * 1024;
const MAX_CACHED = 64;
/** Texts whose answer a pattern remembers: names and services come again with every span. */
const MAX_REMEMBERED = 1000;
const MAX_REMEMBERED_CHARACTERS = 100;

interface Pattern {
  readonly regExp: RE2JS;
  readonly instructions: number;
  readonly answers: Map<string, boolean>;
}

const patterns = new Map<string, Pattern>();

/** A pattern that RE2 does not have, or that is too large. */
export class PatternError extends Error {
  override name = "PatternError";
}

/**
 * Whether the whole text matches; a dot is any character. Throws a PatternError, and a QueryLimitError
 * where a large pattern meets a long text.
 */
export function matchesPattern(pattern: string, text: string): boolean {
  const { regExp, instructions, answers } = compilePattern(pattern);
  const known = answers.get(text);
  if (known !== undefined) return known;
  if (instructions * text.length > MAX_STEPS) {
    throw new QueryLimitError(
      `Cannot match a text of ${text.length} characters with a regular expression of ` +
        `${instructions} instructions; make it shorter`,
    );
  }
  const isMatch = regExp.testExact(text);
  if (answers.size < MAX_REMEMBERED && text.length <= MAX_REMEMBERED_CHARACTERS) {
    answers.set(text, isMatch);
  }
  return isMatch;
}

/** Throws a PatternError. */
export function compilePattern(pattern: string): Pattern {
  const known = patterns.get(pattern);
  if (known !== undefined) return known;
  const compiled = compile(pattern);
  if (patterns.size >= MAX_CACHED) patterns.clear();
  patterns.set(pattern, compiled);
  return compiled;
}

function compile(pattern: string): Pattern {
  let regExp: RE2JS;
  try {
    regExp = RE2JS.compile(pattern, RE2JS.DOTALL);
  } catch (error) {
    throw new PatternError(error instanceof Error ? error.message : String(error));
  }
  const instructions = regExp.programSize();
  if (instructions <= MAX_INSTRUCTIONS) return { regExp, instructions, answers: new Map() };
  throw new PatternError(
    `it has ${instructions} instructions, more than ${MAX_INSTRUCTIONS}; make it shorter`,
  );
}
