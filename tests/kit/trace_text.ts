/**
 * A trace as text that can be compared: one line a span, indented by depth, without times and ids.
 *
 * A line is `name [service] KIND`, then what tells one span of a name from another and how it ended,
 * then the spans that it links to. Children stand in the registry's order, then by attempt, since the
 * start times of two processes, or of two threads, do not order them reliably.
 */

import { roleOfName, SPANS } from "../../shared/telemetry/registry/mod.ts";
import type { SinkSpan } from "./otlp_sink.ts";

/** Attributes in a line, and how they are called there. */
const SHOWN = {
  phase: "phase",
  attempt: "attempt",
  "request.outcome": "outcome",
  "cancellation.signal": "signal",
  "error.type": "error",
} as const;

const ORDER = Object.keys(SPANS);

/** The spans of one trace; a span whose parent is not among them stands at the left. */
export function traceText(spans: readonly SinkSpan[]): string {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const lines: string[] = [];
  const add = (span: SinkSpan, depth: number) => {
    lines.push("  ".repeat(depth) + spanText(span, byId));
    for (const child of inOrder(spans.filter((it) => it.parentSpanId === span.spanId))) {
      add(child, depth + 1);
    }
  };
  const tops = spans.filter(({ parentSpanId: id }) => id === undefined || !byId.has(id));
  for (const top of inOrder(tops)) add(top, 0);
  return lines.join("\n");
}

function inOrder(spans: readonly SinkSpan[]): SinkSpan[] {
  const rank = ({ name }: SinkSpan) => ORDER.indexOf(roleOfName(name) ?? "");
  const attempt = ({ attributes }: SinkSpan) => Number(attributes.attempt ?? 0);
  return [...spans].sort((a, b) => rank(a) - rank(b) || attempt(a) - attempt(b));
}

function spanText(span: SinkSpan, byId: ReadonlyMap<string, SinkSpan>): string {
  const { name, service, kind, attributes, hasError } = span;
  const shown = Object.entries(SHOWN)
    .filter(([key]) => key in attributes)
    .map(([key, label]) => `${label}=${attributes[key]}`);
  const links = span.links.map(({ spanId }) => `-> ${byId.get(spanId)?.name ?? "elsewhere"}`);
  return [name, `[${service}]`, kind, ...(hasError ? ["ERROR"] : []), ...shown, ...links].join(" ");
}
