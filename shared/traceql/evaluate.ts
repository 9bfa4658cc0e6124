/** Evaluates a query on one trace: stage after stage, sets of spans in, sets of spans out. */

import type {
  AttributeRef,
  FieldExpression,
  Query,
  ScalarFilter,
  SpansetExpression,
  Stage,
} from "./ast.ts";
import { fieldValue, refsOf } from "./field_value.ts";
import { bindingOf, lookupForDisplay } from "./span_lookup.ts";
import { compareStatics, numberOf, type Static, staticKey } from "./static.ts";
import { relate } from "./structure.ts";
import type { Binding, TraceSpan, TraceView } from "./trace_view.ts";

export interface Spanset {
  readonly spans: readonly TraceSpan[];
  /** Of aggregates and groups, such as `count()`. */
  readonly attributes: readonly (readonly [string, Static])[];
}

/** How a span matched. */
export interface SpanMatch extends Binding {
  /** The conditions that hold for it. */
  readonly filters: ReadonlySet<FieldExpression>;
}

export interface TraceResult {
  /** Empty where the trace does not match. */
  readonly spansets: readonly Spanset[];
  readonly matches: ReadonlyMap<TraceSpan, SpanMatch>;
}

/** A trace that does not match has no spansets. Metrics stages are not looked at. */
export function evaluateQuery(query: Query, trace: TraceView): TraceResult {
  const matches: Matches = new Map();
  const all: Spanset = { spans: trace.spans, attributes: [] };
  return { spansets: runStages(query.stages, [all], matches), matches };
}

/** An attribute that a query names, and the condition that names it, if one does. */
interface NamedRef {
  readonly ref: AttributeRef;
  readonly filter: FieldExpression | null;
}

/** The attributes that a query names, in its order, each once. */
export function queryRefs(query: Query): AttributeRef[] {
  return unique(query.stages.flatMap(namedRefs).map(({ ref }) => ref));
}

/** Those to show with a span: of conditions that hold for it, and of what is not a condition. */
export function shownRefs(query: Query, match: SpanMatch | undefined): AttributeRef[] {
  const named = query.stages.flatMap(namedRefs).filter(({ filter }) =>
    filter === null || match?.filters.has(filter)
  );
  return unique(named.map(({ ref }) => ref));
}

function unique(refs: readonly AttributeRef[]): AttributeRef[] {
  const byText = new Map<string, AttributeRef>();
  for (const ref of refs) {
    const isRoot = ref.scope === "intrinsic" && ref.name === "isRoot";
    byText.set(ref.text, isRoot ? { ...ref, name: "nestedSetParent" } : ref);
  }
  return [...byText.values()];
}

function namedRefs(stage: Stage): NamedRef[] {
  const always = (ref: AttributeRef) => ({ ref, filter: null });
  switch (stage.kind) {
    case "filter":
      return refsOf(stage.expression).map((ref) => ({ ref, filter: stage.expression }));
    case "operation":
      return [...namedRefs(stage.left), ...namedRefs(stage.right)];
    case "pipeline":
      return stage.stages.flatMap(namedRefs);
    case "scalar_filter":
      return refsOf(stage.operand).map(always);
    case "group":
      return refsOf(stage.by).map(always);
    case "select":
      return stage.refs.map(always);
    case "coalesce":
      return [];
  }
}

interface MutableMatch extends SpanMatch {
  readonly filters: Set<FieldExpression>;
}

type Matches = Map<TraceSpan, MutableMatch>;

function runStages(
  stages: readonly Stage[],
  input: readonly Spanset[],
  matches: Matches,
): Spanset[] {
  let spansets = [...input];
  for (const stage of stages) spansets = runStage(stage, spansets, matches);
  return spansets;
}

function runStage(stage: Stage, input: readonly Spanset[], matches: Matches): Spanset[] {
  switch (stage.kind) {
    case "select":
      return [...input];
    case "coalesce":
      return input.length === 0
        ? []
        : [{ spans: union(input.map(({ spans }) => spans)), attributes: [] }];
    case "group":
      return input.flatMap((spanset) => group(spanset, stage, matches));
    case "scalar_filter":
      return input.flatMap((spanset) => scalarFilter(spanset, stage, matches));
    default:
      return input.flatMap((spanset) => runSpanset(stage, spanset, matches));
  }
}

function runSpanset(
  expression: SpansetExpression,
  input: Spanset,
  matches: Matches,
): Spanset[] {
  switch (expression.kind) {
    case "filter":
      return nonEmpty({
        spans: input.spans.filter((span) => {
          const binding = bindingOf(expression.expression, span);
          if (binding === undefined) return false;
          const match = matches.get(span) ?? { ...binding, filters: new Set() };
          matches.set(span, match);
          if (expression.expression !== null) match.filters.add(expression.expression);
          return true;
        }),
        attributes: input.attributes,
      });
    case "pipeline":
      return runStages(expression.stages, [input], matches);
    case "operation": {
      const left = union(runSpanset(expression.left, input, matches).map(({ spans }) => spans));
      const right = union(runSpanset(expression.right, input, matches).map(({ spans }) => spans));
      return nonEmpty({ spans: combine(expression.op, left, right), attributes: input.attributes });
    }
  }
}

function combine(
  op: (SpansetExpression & { kind: "operation" })["op"],
  left: readonly TraceSpan[],
  right: readonly TraceSpan[],
): TraceSpan[] {
  if (op === "||") return union([left, right]);
  if (op === "&&") return left.length > 0 && right.length > 0 ? union([left, right]) : [];
  return union([relate(op, new Set(left), new Set(right))]);
}

function group(
  spanset: Spanset,
  stage: Stage & { kind: "group" },
  matches: Matches,
): Spanset[] {
  const groups = new Map<string, { value: Static; spans: TraceSpan[] }>();
  for (const span of spanset.spans) {
    const value = fieldValue(stage.by, lookupForDisplay(span, matches.get(span) ?? {}));
    const key = staticKey(value);
    const found = groups.get(key);
    if (found === undefined) groups.set(key, { value, spans: [span] });
    else found.spans.push(span);
  }
  return [...groups.values()].map(({ value, spans }) => ({
    spans,
    attributes: [...spanset.attributes, [stage.text, value] as const],
  }));
}

function scalarFilter(spanset: Spanset, stage: ScalarFilter, matches: Matches): Spanset[] {
  const value = aggregate(spanset, stage, matches);
  if (value === undefined || !compareStatics(stage.op, value, stage.value)) return [];
  const attributes = spanset.attributes.filter(([key]) => key !== stage.text);
  return [{ spans: spanset.spans, attributes: [...attributes, [stage.text, value]] }];
}

/** Undefined where no span has the number. */
function aggregate(spanset: Spanset, stage: ScalarFilter, matches: Matches): Static | undefined {
  const { operand } = stage;
  if (operand === null) return { type: "int", value: spanset.spans.length };
  const values: Static[] = [];
  for (const span of spanset.spans) {
    const value = fieldValue(operand, lookupForDisplay(span, matches.get(span) ?? {}));
    if (numberOf(value) !== undefined) values.push(value);
  }
  if (values.length === 0) return undefined;
  const numbers = values.map((value) => numberOf(value) ?? NaN);
  const number = reduce(stage.aggregate, numbers);
  if (values.every(({ type }) => type === "duration")) return { type: "duration", value: number };
  const isWhole = stage.aggregate !== "avg" && values.every(({ type }) => type === "int");
  return { type: isWhole && Number.isSafeInteger(number) ? "int" : "float", value: number };
}

function reduce(name: ScalarFilter["aggregate"], numbers: readonly number[]): number {
  switch (name) {
    case "min":
      return numbers.reduce((least, number) => Math.min(least, number));
    case "max":
      return numbers.reduce((most, number) => Math.max(most, number));
    case "avg":
      return sum(numbers) / numbers.length;
    default:
      return sum(numbers);
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Each span once, by start time. */
function union(lists: readonly (readonly TraceSpan[])[]): TraceSpan[] {
  const spans = new Set(lists.flat());
  if (spans.size === 0) return [];
  const [first] = spans;
  return first.trace.spans.filter((span) => spans.has(span));
}

function nonEmpty(spanset: Spanset): Spanset[] {
  return spanset.spans.length > 0 ? [spanset] : [];
}
