/**
 * `tracestate`, W3C Trace Context (Recommendation, 3.3): vendors' members that Baton forwards and never
 * changes. One invalid member, or more than 32, discards the whole list, as the text asks; a repeated
 * key keeps its first member. Length is not cut: 32 members of 513 characters are valid.
 */

const MAX_MEMBERS = 32;
const SIMPLE_KEY = /^[a-z][a-z0-9_\-*/]{0,255}$/;
const TENANT_KEY = /^[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13}$/;
/** Printable ASCII without `,` and `=`, not ending in a blank, 1 to 256 characters. */
const VALUE = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/**
 * Reads a header value (several headers joined by commas). Returns its normal form, without blanks
 * around members and empty ones, or null when it is empty or not valid.
 */
export function parseTracestate(header: string | undefined): string | null {
  if (header === undefined) return null;
  const members = new Map<string, string>();
  let count = 0;
  for (const part of header.split(",")) {
    const member = part.replace(/^[ \t]+|[ \t]+$/g, "");
    if (member === "") continue;
    count += 1;
    const equals = member.indexOf("=");
    const key = member.slice(0, equals);
    const value = member.slice(equals + 1);
    if (equals < 1 || count > MAX_MEMBERS || !isKey(key) || !VALUE.test(value)) return null;
    if (!members.has(key)) members.set(key, value);
  }
  if (members.size === 0) return null;
  return [...members].map(([key, value]) => `${key}=${value}`).join(",");
}

function isKey(key: string): boolean {
  return SIMPLE_KEY.test(key) || TENANT_KEY.test(key);
}
