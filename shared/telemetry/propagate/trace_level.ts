/**
 * Baton's own member of `tracestate`: `baton=l:3`, the detail level that a request asks for. Fields of
 * the member are joined by `;`; those that this version does not know are left alone.
 */

const MEMBER = "baton=";
const FIELD = /^l:([1-3])$/;

/** The level that a `tracestate` in normal form asks for, 1 to 3; null where it asks for none. */
export function requestedLevel(tracestate: string): number | null {
  const member = tracestate.split(",").find((text) => text.startsWith(MEMBER));
  for (const field of member?.slice(MEMBER.length).split(";") ?? []) {
    const level = FIELD.exec(field)?.[1];
    if (level !== undefined) return Number(level);
  }
  return null;
}
