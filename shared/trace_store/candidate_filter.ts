/** The condition that a query puts on single spans, by which traces that cannot match are skipped. */

import {
  type AttributeRef,
  type FieldExpression,
  type Query,
  refsOf,
  type SpansetExpression,
  type Stage,
} from "../traceql/mod.ts";

/** Intrinsics that a span answers only together with the rest of its trace. */
const TRACE_INTRINSICS: ReadonlySet<string> = new Set([
  "childCount",
  "rootName",
  "rootServiceName",
  "traceDuration",
  "nestedSetLeft",
  "nestedSetRight",
  "nestedSetParent",
]);

/** A condition that at least one span of every matching trace meets; null when there is none. */
export function candidateFilter(query: Query): FieldExpression | null {
  return ofStage(query.stages[0]);
}

/** The filter of a query that looks at each span alone; undefined of another query. */
export function spanFilter(query: Query): { expression: FieldExpression | null } | undefined {
  const [first, ...rest] = query.stages;
  if (first.kind !== "filter" || rest.some(({ kind }) => kind !== "select")) return undefined;
  return needsTrace(refsOf(first.expression)) ? undefined : first;
}

export function needsTrace(refs: readonly AttributeRef[]): boolean {
  return refs.some((ref) => ref.scope === "intrinsic" && TRACE_INTRINSICS.has(ref.name));
}

/** The id that `trace:id = "…"` demands; undefined when the condition demands none. */
export function demandedTraceId(expression: FieldExpression | null): string | undefined {
  if (expression?.kind !== "binary") return undefined;
  const { op, left, right } = expression;
  if (op === "&&") return demandedTraceId(left) ?? demandedTraceId(right);
  const isTraceId = op === "=" && left.kind === "attribute" && left.ref.scope === "intrinsic" &&
    left.ref.name === "trace:id";
  if (!isTraceId || right.kind !== "static" || right.value.type !== "string") return undefined;
  return right.value.value;
}

function ofStage(stage: Stage): FieldExpression | null {
  switch (stage.kind) {
    case "filter":
    case "operation":
    case "pipeline":
      return ofSpanset(stage);
    default:
      return null;
  }
}

function ofSpanset(expression: SpansetExpression): FieldExpression | null {
  switch (expression.kind) {
    case "filter":
      return expression.expression;
    case "pipeline":
      return ofStage(expression.stages[0]);
    case "operation":
      return ofOperation(expression);
  }
}

function ofOperation(
  expression: SpansetExpression & { kind: "operation" },
): FieldExpression | null {
  const left = ofSpanset(expression.left);
  const right = ofSpanset(expression.right);
  if (expression.op === "||") {
    return left === null || right === null
      ? null
      : { kind: "binary", op: "||", left, right, at: 0 };
  }
  // A negated operator needs spans on its right only.
  if (expression.op.startsWith("!")) return right;
  return selectivity(left) > selectivity(right) ? left : right;
}

/** How few spans an expression is likely to leave. */
function selectivity(expression: FieldExpression | null): number {
  if (expression?.kind !== "binary") return expression === null ? 0 : 1;
  const { op, left, right } = expression;
  if (op === "&&") return selectivity(left) + selectivity(right);
  if (op === "||") return Math.min(selectivity(left), selectivity(right));
  if (op !== "=" || left.kind !== "attribute") return 1;
  return left.ref.scope === "intrinsic" && left.ref.name !== "trace:id" ? 2 : 3;
}
