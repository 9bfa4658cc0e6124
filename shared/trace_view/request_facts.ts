/** What a request's own span says of it, in words; all parts may be missing. */

import { formatDuration, oneLine } from "./format.ts";
import { numberAttribute, textAttribute, type ViewSpan } from "./span.ts";
import { allNodes, type SpanNode, type TraceTree } from "./trace_tree.ts";

/** Name of the span that stands for one request. */
export const REQUEST_SPAN_NAME = "http-request";

/** The node that stands for the request: its client's, above it, tells less. */
export function requestNode(tree: TraceTree): SpanNode {
  return allNodes(tree.roots).find(({ span }) => span.name === REQUEST_SPAN_NAME) ?? tree.roots[0];
}

/** `POST /v1/chat/completions`, or the span's name. */
export function requestTitle(span: ViewSpan): string {
  const method = textAttribute(span, "http.request.method") ?? textAttribute(span, "method");
  const path = textAttribute(span, "http.route") ?? textAttribute(span, "uri");
  return oneLine([method, path].filter((word) => word !== undefined).join(" ") || span.name);
}

/** `success 200`, `cancelled`, `error 503 overload`; `running` for an open span. */
export function requestOutcome(span: ViewSpan): string {
  if (span.endUs === null) return "running";
  const outcome = textAttribute(span, "request.outcome") ??
    (span.status === "error" ? "error" : "ended");
  const status = numberAttribute(span, "http.response.status_code");
  return oneLine(
    [outcome, status, textAttribute(span, "error.type")]
      .filter((word) => word !== undefined).join(" "),
  );
}

/** `first token 95.2 ms`, `37 + 8 tokens`, `itl 40.1 ms`. */
export function requestFigures(span: ViewSpan): string[] {
  const ttftMs = numberAttribute(span, "ttft_ms");
  const itlMs = numberAttribute(span, "avg_itl_ms");
  const input = numberAttribute(span, "gen_ai.usage.input_tokens");
  const output = numberAttribute(span, "gen_ai.usage.output_tokens");
  const cached = numberAttribute(span, "gen_ai.usage.cache_read.input_tokens") ?? 0;
  const figures: string[] = [];
  if (ttftMs !== undefined) figures.push(`first token ${formatDuration(ttftMs * 1000)}`);
  if (input !== undefined) {
    figures.push(`${input} + ${output ?? 0} tokens${cached > 0 ? ` (${cached} cached)` : ""}`);
  }
  if (itlMs !== undefined) figures.push(`itl ${formatDuration(itlMs * 1000)}`);
  return figures;
}
