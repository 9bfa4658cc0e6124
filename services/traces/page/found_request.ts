/** What a found trace says of its request. */

import { REQUEST_SPAN_NAME } from "../../../shared/trace_view/request_facts.ts";
import type { FoundSpan, FoundTrace } from "./trace_queries.ts";

/** The request's own span; without it the first that matches, or the whole trace. */
export function spanOf(trace: FoundTrace): Pick<FoundSpan, "durationMs" | "attributes"> {
  const { spans, durationMs } = trace;
  return spans.find(({ name }) => name === REQUEST_SPAN_NAME) ?? spans[0] ??
    { durationMs, attributes: {} };
}

/** Baton's id of the request; without it the trace's. */
export function requestIdOf(trace: FoundTrace): string {
  return String(spanOf(trace).attributes.request_id ?? trace.traceId);
}

/** Ids of all requests whose own spans were found: several may be in one trace. */
export function endedRequestIds(found: readonly FoundTrace[]): ReadonlySet<string> {
  const spans = found.flatMap(({ spans }) =>
    spans.filter(({ name }) => name === REQUEST_SPAN_NAME)
  );
  return new Set(spans.map(({ attributes }) => String(attributes.request_id)));
}

/** `success 200`, `rejected 404 model_not_found`. */
export function outcomeWords(trace: FoundTrace): string {
  const { attributes } = spanOf(trace);
  return [
    attributes["request.outcome"] ?? trace.rootName,
    attributes["http.response.status_code"],
    attributes["error.type"],
  ].filter((word) => word !== undefined).join(" ");
}

/** Of the slowest attempt; undefined where no span tells it. */
export function itlP99Ms({ spans }: FoundTrace): number | undefined {
  const known = spans.flatMap(({ attributes: { itl_p99_ms: ms } }) =>
    typeof ms === "number" ? [ms] : []
  );
  return known.length === 0 ? undefined : Math.max(...known);
}

/** `37 + 8`: of the prompt and of the answer. */
export function tokenWords(trace: FoundTrace): string {
  const { attributes } = spanOf(trace);
  const input = attributes["gen_ai.usage.input_tokens"];
  if (input === undefined) return "";
  return `${input} + ${attributes["gen_ai.usage.output_tokens"] ?? 0}`;
}
