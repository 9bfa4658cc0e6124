/**
 * Regular expressions of queries: RE2's, as Tempo has them. They match in time that grows with the text
 * and never explodes, so that a hostile one cannot hold up the queries of others; what RE2 leaves out
 * for that, back references and look-around, is refused.
 */

import { RE2JS } from "re2js";

/** Of RE2's instructions. Each may cost a step for each character of a text. */
const MAX_PROGRAM = 500;
const MAX_CACHED = 64;
const patterns = new Map<string, RE2JS>();

/** A pattern that RE2 does not have, or that is too large. */
export class PatternError extends Error {
  override name = "PatternError";
}

/** Whether the whole text matches; a dot is any character. Throws a PatternError. */
export function matchesPattern(pattern: string, text: string): boolean {
  return compilePattern(pattern).testExact(text);
}

/** Throws a PatternError. */
export function compilePattern(pattern: string): RE2JS {
  const known = patterns.get(pattern);
  if (known !== undefined) return known;
  const compiled = compile(pattern);
  if (patterns.size >= MAX_CACHED) patterns.clear();
  patterns.set(pattern, compiled);
  return compiled;
}

function compile(pattern: string): RE2JS {
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(pattern, RE2JS.DOTALL);
  } catch (error) {
    throw new PatternError(error instanceof Error ? error.message : String(error));
  }
  const size = compiled.programSize();
  if (size <= MAX_PROGRAM) return compiled;
  throw new PatternError(`it has ${size} instructions, more than ${MAX_PROGRAM}; make it shorter`);
}
