/** What a request brought along of its client's trace, for the metrics and so for the doctor. */

import type { TraceContext } from "../../shared/telemetry/metrics/mod.ts";

/** Headers that name the trace, in the formats of `OTEL_PROPAGATORS`. */
const CARRIERS = ["traceparent", "b3", "x-b3-traceid"];
/** B3 may write the lower half alone. */
const SHORT_ID_CHARS = 16;

/** `continued` where the request's own trace is the one that a header names. */
export function traceContextOf(headers: Headers, traceId: string): TraceContext {
  const values = CARRIERS.flatMap((name) => headers.get(name) ?? []);
  if (values.length === 0) return "absent";
  const id = traceId.slice(-SHORT_ID_CHARS);
  return values.some((value) => value.toLowerCase().includes(id)) ? "continued" : "ignored";
}
