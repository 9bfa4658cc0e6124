/**
 * TraceQL by the book: every span of every trace, with definitions written out once more and nothing
 * skipped. Slow, and independent of the evaluator that it checks; only the parser is shared.
 */

import type { SpanData } from "../../otlp/mod.ts";
import type { FieldExpression, Query, SpansetExpression, Stage } from "../../traceql/mod.ts";
import { compare, evaluate, firstValue, literal, show } from "./naive_value.ts";

/** The sets of span ids by which a trace matches; empty when it does not. */
export function naiveSpansets(query: Query, trace: readonly SpanData[]): string[][] {
  const sets = runStages(query.stages, [[...trace]], trace);
  return sets.map((spans) => spans.map(({ spanId }) => spanId).sort());
}

function runStages(
  stages: readonly Stage[],
  sets: SpanData[][],
  trace: readonly SpanData[],
): SpanData[][] {
  let current = sets;
  for (const stage of stages) {
    current = current.length === 0 ? [] : runStage(stage, current, trace);
  }
  return current.filter((spans) => spans.length > 0);
}

function runStage(stage: Stage, sets: SpanData[][], trace: readonly SpanData[]): SpanData[][] {
  switch (stage.kind) {
    case "select":
      return sets;
    case "coalesce":
      return [trace.filter((span) => sets.some((spans) => spans.includes(span)))];
    case "group":
      return sets.flatMap((spans) => {
        const keys = spans.map((span) => show(firstValue(stage.by, { span, trace })));
        return [...new Set(keys)].map((key) => spans.filter((_, index) => keys[index] === key));
      });
    case "scalar_filter":
      return sets.filter((spans) => {
        let numbers = [spans.length];
        if (stage.operand !== null) {
          const { operand } = stage;
          numbers = spans.map((span) => firstValue(operand, { span, trace }))
            .filter((value) => typeof value === "number" || typeof value === "bigint").map(Number);
          if (numbers.length === 0) return false;
        }
        const total = numbers.reduce((a, b) => a + b, 0);
        const result = stage.aggregate === "min"
          ? Math.min(...numbers)
          : stage.aggregate === "max"
          ? Math.max(...numbers)
          : stage.aggregate === "avg"
          ? total / numbers.length
          : total;
        return compare(stage.op, result, literal(stage.value as { type: string; value?: unknown }));
      });
    default:
      return sets.map((spans) => runSpanset(stage, spans, trace));
  }
}

function runSpanset(
  expression: SpansetExpression,
  spans: SpanData[],
  trace: readonly SpanData[],
): SpanData[] {
  if (expression.kind === "filter") {
    return spans.filter((span) => matches(expression.expression, span, trace));
  }
  if (expression.kind === "pipeline") {
    const kept = runStages(expression.stages, [spans], trace).flat();
    return spans.filter((span) => kept.includes(span));
  }
  const left = runSpanset(expression.left, spans, trace);
  const right = runSpanset(expression.right, spans, trace);
  const both = spans.filter((span) => left.includes(span) || right.includes(span));
  if (expression.op === "||") return both;
  if (expression.op === "&&") return left.length > 0 && right.length > 0 ? both : [];
  const relation = expression.op.replace(/^[!&]/, "");
  const has = (a: SpanData, b: SpanData) => related(relation, a, b, trace);
  if (expression.op.startsWith("!")) return right.filter((b) => !left.some((a) => has(a, b)));
  if (!expression.op.startsWith("&")) return right.filter((b) => left.some((a) => has(a, b)));
  return both.filter((span) =>
    (right.includes(span) && left.some((a) => has(a, span))) ||
    (left.includes(span) && right.some((b) => has(span, b)))
  );
}

/** Whether `b` is the child, descendant, parent, ancestor or sibling of `a`. */
function related(
  relation: string,
  a: SpanData,
  b: SpanData,
  trace: readonly SpanData[],
): boolean {
  switch (relation) {
    case ">":
      return b.parentSpanId === a.spanId;
    case "<":
      return a.parentSpanId === b.spanId;
    case "~":
      return a !== b && a.parentSpanId !== "" && a.parentSpanId === b.parentSpanId;
    case ">>":
      return isBelow(b, a, trace);
    default:
      return isBelow(a, b, trace);
  }
}

function isBelow(span: SpanData, above: SpanData, trace: readonly SpanData[]): boolean {
  const parent = trace.find(({ spanId }) => spanId === span.parentSpanId);
  return parent !== undefined && (parent === above || isBelow(parent, above, trace));
}

function matches(
  expression: FieldExpression | null,
  span: SpanData,
  trace: readonly SpanData[],
): boolean {
  if (expression === null) return true;
  for (const event of span.events.length > 0 ? span.events : [undefined]) {
    for (const link of span.links.length > 0 ? span.links : [undefined]) {
      if (evaluate(expression, { span, trace, event, link }) === true) return true;
    }
  }
  return false;
}
