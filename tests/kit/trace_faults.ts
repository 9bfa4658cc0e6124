/** Whether a trace is one tree of spans as the registry declares them. */

import { type ParentOf, validateSpan } from "../../shared/telemetry/registry/validate.ts";
import { findOrphans, type SinkSpan } from "./otlp_sink.ts";

/**
 * All that is wrong with the spans of one trace, in words; empty when it is one whole tree. A parent of
 * `remoteParentIds` is the client's own span.
 */
export function traceFaults(
  spans: readonly SinkSpan[],
  remoteParentIds: readonly string[] = [],
): string[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const tops = spans.filter(({ parentSpanId: id }) =>
    id === undefined || remoteParentIds.includes(id)
  );
  return [
    ...(tops.length === 1 ? [] : [`the trace has ${tops.length} roots`]),
    ...findOrphans(spans, remoteParentIds).map((span) => `${span.name}: parent is not there`),
    ...spans.flatMap((span) => validateSpan(span, parentOf(span, byId))),
    ...spans.filter((span) => span.endNs < span.startNs).map((span) => `${span.name}: ends early`),
  ];
}

/** What the registry does not allow in the spans of a whole run, whatever is missing of them. */
export function registryFaults(spans: readonly SinkSpan[]): string[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  return spans.flatMap((span) =>
    validateSpan(span, span.parentSpanId === undefined ? "root" : byId.get(span.parentSpanId))
  );
}

function parentOf(span: SinkSpan, byId: ReadonlyMap<string, SinkSpan>): ParentOf {
  if (span.parentSpanId === undefined) return "root";
  return byId.get(span.parentSpanId) ?? "remote";
}
