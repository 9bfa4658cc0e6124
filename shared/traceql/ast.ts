/** TraceQL as data. `at` is the offset in the query, for messages. */

import type { ComparisonOp, Static } from "./static.ts";

/** By their shortest name; `attribute.ts` lists the others. */
export type Intrinsic =
  | "duration"
  | "name"
  | "status"
  | "statusMessage"
  | "kind"
  | "childCount"
  | "rootName"
  | "rootServiceName"
  | "traceDuration"
  | "nestedSetLeft"
  | "nestedSetRight"
  | "nestedSetParent"
  /** What `nestedSetParent < 0` asks, which a span answers without its trace. */
  | "isRoot"
  | "span:id"
  | "span:parentID"
  | "trace:id"
  | "event:name"
  | "event:timeSinceStart"
  | "link:spanID"
  | "link:traceID"
  | "instrumentation:name"
  | "instrumentation:version";

export type AttributeScope = "any" | "span" | "resource" | "event" | "link" | "instrumentation";

export type AttributeRef =
  | { readonly scope: "intrinsic"; readonly name: Intrinsic; readonly text: string }
  /** `text` is as a query writes it, with its scope. */
  | { readonly scope: AttributeScope; readonly name: string; readonly text: string };

export type ArithmeticOp = "+" | "-" | "*" | "/" | "%" | "^";
export type BinaryOp = ComparisonOp | ArithmeticOp | "&&" | "||";

export type FieldExpression =
  | { readonly kind: "static"; readonly value: Static; readonly at: number }
  | { readonly kind: "attribute"; readonly ref: AttributeRef; readonly at: number }
  | {
    readonly kind: "unary";
    readonly op: "!" | "-";
    readonly operand: FieldExpression;
    readonly at: number;
  }
  | {
    readonly kind: "binary";
    readonly op: BinaryOp;
    readonly left: FieldExpression;
    readonly right: FieldExpression;
    readonly at: number;
  };

/** `>` child, `>>` descendant, `<` parent, `<<` ancestor, `~` sibling; `!` negates, `&` keeps both. */
export type StructuralOp = `${"" | "!" | "&"}${">" | ">>" | "<" | "<<" | "~"}`;

export interface SpansetFilter {
  readonly kind: "filter";
  /** Null for `{ }`. */
  readonly expression: FieldExpression | null;
}

export interface SpansetOperation {
  readonly kind: "operation";
  readonly op: "&&" | "||" | StructuralOp;
  readonly left: SpansetExpression;
  readonly right: SpansetExpression;
}

/** A pipeline in parentheses, as an operand. */
export interface WrappedPipeline {
  readonly kind: "pipeline";
  readonly stages: readonly Stage[];
}

export type SpansetExpression = SpansetFilter | SpansetOperation | WrappedPipeline;

export type AggregateName = "count" | "avg" | "min" | "max" | "sum";

export interface ScalarFilter {
  readonly kind: "scalar_filter";
  readonly aggregate: AggregateName;
  /** Null for `count()`. */
  readonly operand: FieldExpression | null;
  readonly op: ComparisonOp;
  readonly value: Static;
  /** Such as `avg(span.x)`. */
  readonly text: string;
}

export interface GroupStage {
  readonly kind: "group";
  readonly by: FieldExpression;
  /** Such as `by(name)`. */
  readonly text: string;
}

export interface CoalesceStage {
  readonly kind: "coalesce";
}

export interface SelectStage {
  readonly kind: "select";
  readonly refs: readonly AttributeRef[];
}

export type Stage = SpansetExpression | ScalarFilter | GroupStage | CoalesceStage | SelectStage;

export type MetricsFunction =
  | "rate"
  | "count_over_time"
  | "min_over_time"
  | "max_over_time"
  | "avg_over_time"
  | "sum_over_time"
  | "quantile_over_time"
  | "histogram_over_time";

export interface MetricsStage {
  readonly function: MetricsFunction;
  /** What is measured; null for `rate` and `count_over_time`. */
  readonly ref: AttributeRef | null;
  readonly quantiles: readonly number[];
  readonly by: readonly AttributeRef[];
}

export interface Query {
  readonly stages: readonly Stage[];
  readonly metrics: MetricsStage | null;
  /** Of `with (exemplars = …)`: how many at most; undefined when it is not said. */
  readonly exemplars?: number | boolean;
}
