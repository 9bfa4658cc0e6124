/**
 * `traceparent`, W3C Trace Context (Recommendation, 3.2): `version-traceid-parentid-flags`.
 *
 * Read: version 00 has exactly four fields; a higher version is read by its first four and may go on
 * after a `-`; `ff`, upper case, all-zero ids and everything else is refused, and the caller then
 * starts a new trace. Two headers joined by a comma are refused with it.
 * Written: always version 00, with the sampled bit and the random bit (Level 2), all others zero.
 */

export interface TraceParent {
  /** 32 lower-case hex digits, not all zero. */
  readonly traceId: string;
  /** 16 lower-case hex digits, not all zero. */
  readonly spanId: string;
  readonly isSampled: boolean;
  /** The random-trace-id bit of Level 2. */
  readonly isRandom: boolean;
}

const FIRST_FIELDS = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZERO_TRACE_ID = "0".repeat(32);
const ZERO_SPAN_ID = "0".repeat(16);
const SAMPLED = 1;
const RANDOM = 2;

/** Reads a header value; null when there is none or it is not valid. Blanks around it are ignored. */
export function parseTraceparent(header: string | undefined): TraceParent | null {
  if (header === undefined) return null;
  const match = FIRST_FIELDS.exec(header.replace(/^[ \t]+|[ \t]+$/g, ""));
  if (match === null) return null;
  const [, version = "", traceId = "", spanId = "", flags = "", rest] = match;
  if (version === "ff" || (version === "00" && rest !== undefined)) return null;
  if (traceId === ZERO_TRACE_ID || spanId === ZERO_SPAN_ID) return null;
  const bits = Number.parseInt(flags, 16);
  return {
    traceId,
    spanId,
    isSampled: (bits & SAMPLED) !== 0,
    isRandom: (bits & RANDOM) !== 0,
  };
}

/** The header value of a version 00 parent. */
export function formatTraceparent(parent: TraceParent): string {
  const bits = (parent.isSampled ? SAMPLED : 0) | (parent.isRandom ? RANDOM : 0);
  return `00-${parent.traceId}-${parent.spanId}-0${bits}`;
}
