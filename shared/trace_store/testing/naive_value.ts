/** The value of a field expression by the book, for the naive search. */

import type { Attribute, EventData, LinkData, SpanData } from "../../otlp/mod.ts";
import type { AttributeRef, FieldExpression } from "../../traceql/mod.ts";

/** Undefined: missing. */
export type Value = string | number | bigint | boolean | Value[] | Keyword | undefined;

export interface Keyword {
  readonly keyword: string;
}

/** A span, and the event and link that are looked at with it. */
export interface Scene {
  readonly span: SpanData;
  readonly trace: readonly SpanData[];
  readonly event?: EventData;
  readonly link?: LinkData;
}

/** With the first event and the first link, as `by()` and aggregates take it. */
export function firstValue(expression: FieldExpression, scene: Scene): Value {
  const [event] = scene.span.events;
  const [link] = scene.span.links;
  return evaluate(expression, { ...scene, event, link });
}

export function evaluate(expression: FieldExpression, scene: Scene): Value {
  switch (expression.kind) {
    case "static":
      return literal(expression.value as { type: string; value?: unknown });
    case "attribute":
      return lookup(expression.ref, scene);
    case "unary": {
      const value = evaluate(expression.operand, scene);
      if (expression.op === "!") return typeof value === "boolean" ? !value : undefined;
      return typeof value === "number" || typeof value === "bigint" ? -value : undefined;
    }
    case "binary": {
      const { op } = expression;
      const left = evaluate(expression.left, scene);
      const right = evaluate(expression.right, scene);
      if (op === "&&") return left === true && right === true;
      if (op === "||") return left === true || right === true;
      if ("+-*/%^".includes(op)) {
        if (!isNumber(left) || !isNumber(right)) return undefined;
        const [a, b] = [Number(left), Number(right)];
        const results: Record<string, number> = {
          "+": a + b,
          "-": a - b,
          "*": a * b,
          "/": a / b,
          "%": a % b,
          "^": a ** b,
        };
        return results[op];
      }
      const asksNil = [expression.left, expression.right].some((side) =>
        side.kind === "static" && side.value.type === "nil"
      );
      if (asksNil) return (op === "=") === (left === undefined && right === undefined);
      return left !== undefined && right !== undefined && compare(op, left, right);
    }
  }
}

export function compare(op: string, left: Value, right: Value): boolean {
  if (Array.isArray(left)) {
    const some = (item: Value) => compare(op, item, right);
    return op.startsWith("!") ? left.length > 0 && left.every(some) : left.some(some);
  }
  if (Array.isArray(right)) {
    const some = (item: Value) => compare(op, left, item);
    return op.startsWith("!") ? right.length > 0 && right.every(some) : right.some(some);
  }
  if (isKeyword(left) || isKeyword(right)) {
    if (!isKeyword(left) || !isKeyword(right)) return false;
    return (op === "=") === (left.keyword === right.keyword);
  }
  const areNumbers = isNumber(left) && isNumber(right);
  if (!areNumbers && typeof left !== typeof right) return false;
  if (left === undefined || right === undefined) return false;
  const isEqual = !(left < right) && !(left > right);
  switch (op) {
    case "=":
      return isEqual;
    case "!=":
      return !isEqual;
    case "=~":
      return typeof left === "string" && new RegExp(`^(${right})$`).test(left);
    case "!~":
      return typeof left === "string" && !new RegExp(`^(${right})$`).test(left);
  }
  if (typeof left === "boolean") return false;
  return { "<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right }[op] ??
    false;
}

function isNumber(value: Value): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

function isKeyword(value: Value): value is Keyword {
  return typeof value === "object" && !Array.isArray(value);
}

export function literal({ type, value }: { type: string; value?: unknown }): Value {
  if (type === "kind" || type === "status") return { keyword: String(value) };
  if (type === "array") return (value as { type: string; value?: unknown }[]).map(literal);
  return value as Value;
}

function lookup(ref: AttributeRef, scene: Scene): Value {
  const { span, trace, event, link } = scene;
  if (ref.scope !== "intrinsic") {
    const places: Record<string, readonly Attribute[] | undefined> = {
      span: span.attributes,
      resource: span.resource.attributes,
      event: event?.attributes,
      link: link?.attributes,
      instrumentation: span.scope.attributes,
    };
    const searched = ref.scope === "any" ? Object.values(places) : [places[ref.scope]];
    const found = searched.flatMap((list) => list ?? []).find(({ key }) => key === ref.name);
    return found === undefined ? undefined : literal(found.value);
  }
  const ordered = inOrder(trace);
  const root = ordered.find(({ parentSpanId }) => parentSpanId === "");
  const starts = trace.map(({ startNs }) => Number(startNs - trace[0].startNs));
  const ends = trace.map(({ endNs }) => Number(endNs - trace[0].startNs));
  switch (ref.name) {
    case "name":
      return span.name;
    case "kind":
      return { keyword: span.kind };
    case "status":
      return { keyword: span.status };
    case "statusMessage":
      return span.statusMessage;
    case "duration":
      return Number(span.endNs - span.startNs);
    case "traceDuration":
      return Math.max(...ends) - Math.min(...starts);
    case "childCount":
      return trace.filter(({ parentSpanId }) => parentSpanId === span.spanId).length;
    case "rootName":
      return root?.name ?? "";
    case "rootServiceName":
      return root?.resource.serviceName ?? "";
    case "isRoot":
      return span.parentSpanId === "";
    case "nestedSetParent":
    case "nestedSetLeft":
      return nestedSet(span, ordered)[ref.name];
    case "event:name":
      return event?.name;
    case "event:timeSinceStart":
      return event && Number(event.timeNs - span.startNs);
    case "link:spanID":
      return link?.spanId;
    case "instrumentation:name":
      return span.scope.name;
    default:
      throw new Error(`The naive search does not know ${ref.name}`);
  }
}

function inOrder(trace: readonly SpanData[]): SpanData[] {
  return [...trace].sort((a, b) =>
    a.startNs === b.startNs ? (a.spanId < b.spanId ? -1 : 1) : a.startNs < b.startNs ? -1 : 1
  );
}

function nestedSet(
  wanted: SpanData,
  ordered: readonly SpanData[],
): { nestedSetParent: number; nestedSetLeft: number } {
  let counter = 1;
  let found = { nestedSetParent: 0, nestedSetLeft: 0 };
  const visit = (span: SpanData, parent: number) => {
    const left = counter++;
    if (span === wanted) found = { nestedSetParent: parent, nestedSetLeft: left };
    for (const child of ordered) if (child.parentSpanId === span.spanId) visit(child, left);
    counter++;
  };
  for (const span of ordered) if (span.parentSpanId === "") visit(span, -1);
  return found;
}

export function show(value: Value): string {
  return isKeyword(value) ? value.keyword : `${typeof value}:${value}`;
}
