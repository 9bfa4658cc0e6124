/**
 * B3, Zipkin's headers: `b3: {trace}-{span}-{state}-{parent}` or one `x-b3-…` header for each part.
 *
 * Both forms are read, the single header first, as OpenTelemetry asks of either propagator. Trace ids
 * of 64 bits are filled with zeros on the left. A state alone (`b3: 0`) names no parent and counts as
 * absent. Debug (`d`, `x-b3-flags: 1`) counts as sampled; without a state the decision is ours.
 */

import type { RemoteParent } from "./extract.ts";

const SINGLE =
  /^(?<trace>[0-9a-f]{16}|[0-9a-f]{32})-(?<span>[0-9a-f]{16})(?:-(?<state>[01d])(?:-[0-9a-f]{16})?)?$/;
const TRACE_ID = /^(?:[0-9a-f]{16}){1,2}$/;
const SPAN_ID = /^[0-9a-f]{16}$/;
const ZEROS = /^0+$/;
const SAMPLED_WORDS: Readonly<Record<string, boolean>> = {
  "1": true,
  d: true,
  true: true,
  "0": false,
  false: false,
};

/** Reads lower-case headers; null when neither form names a parent. */
export function parseB3(headers: Readonly<Record<string, string>>): RemoteParent | null {
  return parseSingle(headers.b3) ?? parseMulti(headers);
}

function parseSingle(header: string | undefined): RemoteParent | null {
  const { trace = "", span = "", state } = SINGLE.exec(header?.trim() ?? "")?.groups ?? {};
  return parentOf(trace, span, state);
}

function parseMulti(headers: Readonly<Record<string, string>>): RemoteParent | null {
  const traceId = headers["x-b3-traceid"]?.trim() ?? "";
  const spanId = headers["x-b3-spanid"]?.trim() ?? "";
  const isDebug = headers["x-b3-flags"]?.trim() === "1";
  return parentOf(
    traceId,
    spanId,
    isDebug ? "d" : headers["x-b3-sampled"]?.trim().toLowerCase(),
  );
}

function parentOf(
  traceId: string,
  spanId: string,
  state: string | undefined,
): RemoteParent | null {
  if (!TRACE_ID.test(traceId) || !SPAN_ID.test(spanId)) return null;
  if (ZEROS.test(traceId) || ZEROS.test(spanId)) return null;
  return {
    traceId: traceId.padStart(32, "0"),
    spanId,
    isSampled: SAMPLED_WORDS[state ?? ""] ?? null,
    isRandom: false,
    tracestate: "",
  };
}
