/** What a person names a request by. */

export type RequestQuery =
  | { readonly kind: "last" }
  | { readonly kind: "slow" }
  | { readonly kind: "trace"; readonly traceId: string }
  /** An x-request-id, the id of an answer, or the beginning of a trace id. */
  | { readonly kind: "id"; readonly id: string };

const TRACE_ID = /^[0-9a-f]{32}$/;
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;
const TRACE_ID_START = /^[0-9a-f]{8,31}$/;
const ANSWER_ID = /^(?:chatcmpl|cmpl)-(.+)$/;

/** Reads what was given for a request. */
export function parseQuery(text: string): RequestQuery {
  if (text === "last" || text === "slow") return { kind: text };
  const lower = text.toLowerCase();
  const traceId = TRACE_ID.test(lower) ? lower : TRACEPARENT.exec(lower)?.[1];
  if (traceId !== undefined) return { kind: "trace", traceId };
  return { kind: "id", id: ANSWER_ID.exec(text)?.[1] ?? text };
}

/** Whether an id may be the beginning of a trace id. */
export function isTraceIdStart(id: string): boolean {
  return TRACE_ID_START.test(id);
}
