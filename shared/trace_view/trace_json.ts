/** A trace as one JSON object, for programs: times on one clock, and what the drawing says in words. */

import { criticalPath, pathShares } from "./critical_path.ts";
import { holesOf } from "./holes.ts";
import { allDiffNodes, durationUs, type TraceDiff } from "./trace_diff.ts";
import { allNodes, type SpanNode, type TraceTree } from "./trace_tree.ts";

/** Times are microseconds; `start_us` is since 1970, all others since the start of the trace. */
export function traceJson(tree: TraceTree): Record<string, unknown> {
  const nodes = allNodes(tree.roots);
  const since = (us: number) => us - tree.startUs;
  return {
    trace_id: tree.traceId,
    start_us: tree.startUs,
    duration_us: tree.endUs - tree.startUs,
    spans: nodes.filter(({ isMissing }) => !isMissing).map((node) => spanJson(node, tree)),
    missing_span_ids: nodes.filter(({ isMissing }) => isMissing).map(({ span }) => span.spanId),
    critical_path: pathShares(criticalPath(tree.roots)).map(({ node, us }) => ({
      ...placeJson(node),
      duration_us: us,
    })),
    holes: nodes.flatMap(holesOf).map((hole) => ({
      ...placeJson(hole.node),
      offset_us: since(hole.startUs),
      duration_us: hole.endUs - hole.startUs,
    })),
    clock_shifts: tree.clockShifts.map((shift) => ({
      service: shift.service,
      instance: shift.instance,
      host: shift.host,
      ahead_us: shift.aheadUs,
      uncertainty_us: shift.uncertaintyUs,
    })),
    notes: tree.notes,
  };
}

/** The comparison of two traces. */
export function diffJson(diff: TraceDiff): Record<string, unknown> {
  return {
    before: diff.before.traceId,
    after: diff.after.traceId,
    spans: allDiffNodes(diff.roots).map(({ name, service, before, after }) => ({
      name,
      service,
      before_us: before === null ? null : durationUs(before),
      after_us: after === null ? null : durationUs(after),
      change_us: durationUs(after) - durationUs(before),
    })),
  };
}

function spanJson(node: SpanNode, tree: TraceTree): Record<string, unknown> {
  const { span } = node;
  const aheadUs = span.startUs - node.startUs;
  return {
    ...placeJson(node),
    parent_span_id: span.parentSpanId === "" ? null : span.parentSpanId,
    kind: span.kind,
    instance: span.instance,
    host: span.host,
    offset_us: node.startUs - tree.startUs,
    duration_us: node.endUs - node.startUs,
    is_open: span.endUs === null,
    status: span.status,
    status_message: span.statusMessage,
    attributes: span.attributes,
    events: span.events.map(({ name, timeUs, attributes }) => ({
      name,
      offset_us: timeUs - aheadUs - tree.startUs,
      attributes,
    })),
    links: span.links.map(({ traceId, spanId }) => ({ trace_id: traceId, span_id: spanId })),
  };
}

function placeJson({ span }: SpanNode): Record<string, unknown> {
  return { span_id: span.spanId, name: span.name, service: span.service };
}
