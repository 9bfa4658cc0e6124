/**
 * Structural operators between two sets of spans of one trace.
 *
 * `A > B` gives the spans of B that are a child of one of A, and so on. `!` gives the spans of B that
 * are not, all of B where A is empty; `&` gives the spans of both sides that stand in the relation.
 * Siblings have the same parent, which both name.
 */

import type { StructuralOp } from "./ast.ts";
import type { TraceSpan } from "./trace_view.ts";

type Spans = ReadonlySet<TraceSpan>;
type Relation = ">" | ">>" | "<" | "<<" | "~";

const INVERSE: Readonly<Record<Relation, Relation>> = {
  ">": "<",
  ">>": "<<",
  "<": ">",
  "<<": ">>",
  "~": "~",
};

/** The spans that `left op right` gives. */
export function relate(op: StructuralOp, left: Spans, right: Spans): TraceSpan[] {
  const isNegated = op.startsWith("!");
  const isUnion = op.startsWith("&");
  const relation = (isNegated || isUnion ? op.slice(1) : op) as Relation;
  const related = select(relation, left, right);
  if (isNegated) return [...right].filter((span) => !related.has(span));
  if (!isUnion) return [...related];
  return [...new Set([...related, ...select(INVERSE[relation], right, left)])];
}

/** The spans of `right` that stand in the relation to one of `left`. */
function select(relation: Relation, left: Spans, right: Spans): Set<TraceSpan> {
  switch (relation) {
    case ">":
      return filter(right, (span) => span.parent !== null && left.has(span.parent));
    case ">>":
      return intersection(right, descendantsOf(left));
    case "<":
      return filter(right, (span) => span.children.some((child) => left.has(child)));
    case "<<":
      return intersection(right, ancestorsOf(left));
    case "~":
      return siblings(left, right);
  }
}

function siblings(left: Spans, right: Spans): Set<TraceSpan> {
  const counts = new Map<string, number>();
  for (const { data } of left) {
    counts.set(data.parentSpanId, (counts.get(data.parentSpanId) ?? 0) + 1);
  }
  return filter(right, (span) => {
    const { parentSpanId } = span.data;
    const others = (counts.get(parentSpanId) ?? 0) - (left.has(span) ? 1 : 0);
    return parentSpanId !== "" && others > 0;
  });
}

/** All spans above those of `spans`. */
function ancestorsOf(spans: Spans): Set<TraceSpan> {
  const above = new Set<TraceSpan>();
  for (const span of spans) {
    for (let at = span.parent; at !== null && !above.has(at); at = at.parent) above.add(at);
  }
  return above;
}

/** All spans below those of `spans`. */
function descendantsOf(spans: Spans): Set<TraceSpan> {
  const below = new Set<TraceSpan>();
  const open = [...spans].flatMap(({ children }) => children);
  for (let span = open.pop(); span !== undefined; span = open.pop()) {
    if (below.has(span)) continue;
    below.add(span);
    open.push(...span.children);
  }
  return below;
}

function filter(spans: Spans, isWanted: (span: TraceSpan) => boolean): Set<TraceSpan> {
  return new Set([...spans].filter(isWanted));
}

/** In the order of `spans`. */
function intersection(spans: Spans, wanted: Spans): Set<TraceSpan> {
  return filter(spans, (span) => wanted.has(span));
}
