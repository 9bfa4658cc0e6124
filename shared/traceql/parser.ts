/**
 * Parses TraceQL by recursive descent.
 *
 * What parses but is not supported (`compare`, `topk`, arithmetic on aggregates, `parent`) is refused
 * with its position: a query is answered exactly or not at all.
 */

import type {
  AggregateName,
  AttributeRef,
  FieldExpression,
  MetricsFunction,
  MetricsStage,
  Query,
  ScalarFilter,
  SpansetExpression,
  SpansetOperation,
  Stage,
} from "./ast.ts";
import { meaningError, parseError, QueryError } from "./errors.ts";
import { parseAttribute, parseFieldExpression, parseStatic } from "./field_parser.ts";
import type { ComparisonOp } from "./static.ts";
import { TokenStream } from "./token_stream.ts";
import { checkAggregate, checkFilter, checkGroup, checkScalarFilter } from "./type_check.ts";

type SpansetOp = SpansetOperation["op"];

/** `&&` and `||` bind alike; structural operators bind tighter. All bind from the left. */
const STRUCTURAL_OPS: ReadonlySet<string> = new Set(
  ["", "!", "&"].flatMap((prefix) => [">", ">>", "<", "<<", "~"].map((op) => prefix + op)),
);
const AGGREGATES: ReadonlySet<string> = new Set<AggregateName>([
  "count",
  "avg",
  "min",
  "max",
  "sum",
]);
const METRICS: ReadonlySet<string> = new Set<MetricsFunction>([
  "rate",
  "count_over_time",
  "min_over_time",
  "max_over_time",
  "avg_over_time",
  "sum_over_time",
  "quantile_over_time",
  "histogram_over_time",
]);
const UNSUPPORTED_STAGES = /^(compare|topk|bottomk)$/;
const SCALAR_OPS: ReadonlySet<string> = new Set(["=", "!=", "<", "<=", ">", ">="]);
/** Hints that change how Tempo computes an answer, never the exact one. */
const IGNORED_HINTS: ReadonlySet<string> = new Set(["sample", "span_sample", "most_recent"]);
const MAX_GROUP_ATTRIBUTES = 5;

/** Throws a QueryError. */
export function parseQuery(source: string): Query {
  const tokens = new TokenStream(source);
  const stages: Stage[] = [];
  let metrics: MetricsStage | null = null;
  do {
    if (metrics !== null) {
      throw tokens.unsupported(tokens.current.at, `a stage after ${metrics.function}`);
    }
    metrics = parseMetrics(tokens);
    if (metrics === null) stages.push(parseStage(tokens));
  } while (tokens.accept("|"));
  if (stages.length === 0) {
    throw parseError(source, 0, "a metrics function needs a pipeline before it");
  }
  const exemplars = parseHints(tokens);
  if (tokens.current.kind !== "end") throw tokens.unexpected();
  return { stages, metrics, exemplars };
}

/** An attribute as a path names it, such as `span.a` or `kind`. Throws a QueryError. */
export function parseAttributeName(text: string): AttributeRef {
  // Tempo parses it in braces, which its columns count.
  try {
    const tokens = new TokenStream(`{${text}`);
    tokens.expect("{");
    const ref = parseAttribute(tokens);
    if (tokens.current.kind !== "end") throw tokens.unexpected();
    return ref;
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    throw new QueryError(`failed to parse identifier ${text}: ${error.message}`);
  }
}

function parseStage(tokens: TokenStream): Stage {
  const { at, kind, text } = tokens.current;
  if (kind === "word") {
    if (text === "by") return parseGroup(tokens);
    if (text === "select") return parseSelect(tokens);
    if (AGGREGATES.has(text)) return parseScalarFilter(tokens);
    if (UNSUPPORTED_STAGES.test(text)) throw tokens.unsupported(at, `${text}()`);
    if (text === "coalesce") {
      tokens.take();
      tokens.expect("(");
      tokens.expect(")");
      return { kind: "coalesce" };
    }
  }
  if (kind === "int" || kind === "float" || kind === "duration" || tokens.is("-")) {
    throw tokens.unsupported(at, "a number on the left of a comparison of aggregates");
  }
  return parseSpanset(tokens);
}

function parseSpanset(tokens: TokenStream, minPrecedence = 0): SpansetExpression {
  return tokens.nested(() => {
    let left = parseSpansetOperand(tokens);
    for (;;) {
      const precedence = spansetPrecedence(tokens);
      if (precedence === 0 || precedence < minPrecedence) return left;
      const op = tokens.take().text as SpansetOp;
      const right = parseSpanset(tokens, precedence + 1);
      left = { kind: "operation", op, left, right };
    }
  });
}

function spansetPrecedence(tokens: TokenStream): number {
  const { kind, text } = tokens.current;
  if (kind !== "operator") return 0;
  if (text === "&&" || text === "||") return 1;
  return STRUCTURAL_OPS.has(text) ? 2 : 0;
}

function parseSpansetOperand(tokens: TokenStream): SpansetExpression {
  const { at } = tokens.current;
  if (tokens.accept("(")) return parseParentheses(tokens);
  tokens.expect("{");
  if (tokens.accept("}")) return { kind: "filter", expression: null };
  const expression = parseFieldExpression(tokens);
  tokens.expect("}");
  checkFilter(tokens.source, expression, tokens.source.slice(at, tokens.lastEnd));
  return { kind: "filter", expression };
}

/** After `(`: a spanset, or a pipeline with stages of its own. */
function parseParentheses(tokens: TokenStream): SpansetExpression {
  const stages: Stage[] = [parseStage(tokens)];
  while (tokens.accept("|")) {
    const { at, text } = tokens.current;
    if (METRICS.has(text)) throw tokens.unsupported(at, `${text} in parentheses`);
    stages.push(parseStage(tokens));
  }
  tokens.expect(")");
  const [only] = stages;
  const isSpanset = only.kind === "filter" || only.kind === "operation" || only.kind === "pipeline";
  return stages.length === 1 && isSpanset ? only : { kind: "pipeline", stages };
}

function parseGroup(tokens: TokenStream): Stage {
  const { at } = tokens.take();
  tokens.expect("(");
  const by = parseFieldExpression(tokens);
  tokens.expect(")");
  const text = tokens.source.slice(at, tokens.lastEnd);
  checkGroup(tokens.source, by, text);
  return { kind: "group", by, text };
}

function parseSelect(tokens: TokenStream): Stage {
  tokens.take();
  return { kind: "select", refs: parseAttributeList(tokens) };
}

function parseAttributeList(tokens: TokenStream): AttributeRef[] {
  tokens.expect("(");
  const refs: AttributeRef[] = [];
  do refs.push(parseAttribute(tokens)); while (tokens.accept(","));
  tokens.expect(")");
  return refs;
}

function parseScalarFilter(tokens: TokenStream): ScalarFilter {
  const start = tokens.take();
  const aggregate = start.text as AggregateName;
  tokens.expect("(");
  let operand: FieldExpression | null = null;
  if (aggregate !== "count") operand = parseFieldExpression(tokens);
  tokens.expect(")");
  const text = tokens.source.slice(start.at, tokens.lastEnd);
  if (operand !== null) checkAggregate(tokens.source, operand, text);
  const comparison = tokens.current;
  if (comparison.kind !== "operator" || !SCALAR_OPS.has(comparison.text)) {
    if (/^[+\-*/%^]$/.test(comparison.text)) {
      throw tokens.unsupported(comparison.at, "arithmetic on aggregates");
    }
    throw tokens.unexpected();
  }
  tokens.take();
  const { current } = tokens;
  if (current.kind === "word" && AGGREGATES.has(current.text)) {
    throw tokens.unsupported(current.at, "an aggregate on the right of a comparison");
  }
  const value = parseStatic(tokens);
  checkScalarFilter(tokens.source, value, current.at);
  if (tokens.current.kind === "operator" && /^[+\-*/%^]$/.test(tokens.current.text)) {
    throw tokens.unsupported(tokens.current.at, "arithmetic on aggregates");
  }
  return {
    kind: "scalar_filter",
    aggregate,
    operand,
    op: comparison.text as ComparisonOp,
    value,
    text,
  };
}

/** Null where the current token starts no metrics function. */
function parseMetrics(tokens: TokenStream): MetricsStage | null {
  const { kind, text } = tokens.current;
  if (kind !== "word" || !METRICS.has(text)) return null;
  tokens.take();
  const name = text as MetricsFunction;
  tokens.expect("(");
  let ref: AttributeRef | null = null;
  const quantiles: number[] = [];
  if (name !== "rate" && name !== "count_over_time") {
    ref = parseAttribute(tokens);
    if (name === "quantile_over_time") {
      tokens.expect(",");
      do quantiles.push(parseQuantile(tokens)); while (tokens.accept(","));
    }
  }
  tokens.expect(")");
  const { at } = tokens.current;
  const by = tokens.accept("by") ? parseAttributeList(tokens) : [];
  if (by.length > MAX_GROUP_ATTRIBUTES) {
    throw meaningError(tokens.source, at, `by() takes at most ${MAX_GROUP_ATTRIBUTES} attributes`);
  }
  return { function: name, ref, quantiles, by };
}

function parseQuantile(tokens: TokenStream): number {
  const token = tokens.current;
  if (token.kind !== "int" && token.kind !== "float") throw tokens.unexpected();
  const value = Number(token.value);
  if (value > 1) throw meaningError(tokens.source, token.at, "a quantile lies between 0 and 1");
  tokens.take();
  return value;
}

/** `with (exemplars = 10)`. */
function parseHints(tokens: TokenStream): number | boolean | undefined {
  let exemplars: number | boolean | undefined;
  if (!tokens.accept("with")) return exemplars;
  tokens.expect("(");
  do {
    const name = tokens.take();
    tokens.expect("=");
    const value = parseStatic(tokens);
    if (name.text === "exemplars") {
      if (value.type !== "bool" && (value.type !== "int" || value.value < 0)) {
        throw meaningError(tokens.source, name.at, "exemplars takes a whole number or a boolean");
      }
      exemplars = value.type === "bool" ? value.value : Number(value.value);
    } else if (!IGNORED_HINTS.has(name.text)) {
      throw tokens.unsupported(name.at, `the hint ${name.text}`);
    }
  } while (tokens.accept(","));
  tokens.expect(")");
  return exemplars;
}
