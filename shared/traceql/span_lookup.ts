/**
 * What a span's attributes and intrinsics are.
 *
 * A span has many events and links; a filter is about one of each: it holds when there is an event
 * and a link with which it is true. So `{ event:name = "a" && event.n > 1 }` means one event that is
 * both.
 */

import type { Attribute } from "../otlp/mod.ts";
import type { AttributeRef, FieldExpression, Intrinsic } from "./ast.ts";
import { QueryLimitError } from "./errors.ts";
import { holds, type Lookup, refsOf } from "./field_value.ts";
import { NIL, type Static } from "./static.ts";
import type { Binding, TraceSpan } from "./trace_view.ts";

const UNBOUND: readonly undefined[] = [undefined];

/** Pairs of an event and a link that a filter is tried with on one span: more would take seconds. */
const MAX_PAIRS = 1_000_000;

/**
 * The event and link with which the filter holds for the span; undefined where it does not. Throws a
 * QueryLimitError where the span has too many of both.
 */
export function bindingOf(
  expression: FieldExpression | null,
  span: TraceSpan,
): Binding | undefined {
  const events = usesScope(expression, "event") ? span.data.events : UNBOUND;
  const links = usesScope(expression, "link") ? span.data.links : UNBOUND;
  if (events.length * links.length > MAX_PAIRS) {
    throw new QueryLimitError(
      `Cannot look for a pair of an event and a link: span ${span.data.spanId} has ${events.length} ` +
        `and ${links.length} of them; ask for one of both, and name attributes with their scope`,
    );
  }
  for (const event of events.length > 0 ? events : UNBOUND) {
    for (const link of links.length > 0 ? links : UNBOUND) {
      const binding = { event, link };
      if (holds(expression, lookupIn(span, binding)) === true) return binding;
    }
  }
  return undefined;
}

/** Looks attributes of a span up; those of events and links in the binding. */
export function lookupIn(span: TraceSpan, binding: Binding): Lookup {
  return (ref) =>
    ref.scope === "intrinsic"
      ? intrinsicValue(span, binding, ref.name)
      : attributeValue(span, binding, ref);
}

/** With the first event and link where the filter was about none. */
export function lookupForDisplay(span: TraceSpan, binding: Binding): Lookup {
  return lookupIn(span, new FirstOrBound(span, binding));
}

/** Looks at the events and links of the span, which may have to be read, only when it is asked. */
class FirstOrBound implements Binding {
  readonly #span: TraceSpan;
  readonly #binding: Binding;

  constructor(span: TraceSpan, binding: Binding) {
    this.#span = span;
    this.#binding = binding;
  }

  get event(): Binding["event"] {
    return this.#binding.event ?? this.#span.data.events[0];
  }

  get link(): Binding["link"] {
    return this.#binding.link ?? this.#span.data.links[0];
  }
}

const scopeUse = new WeakMap<FieldExpression, { event: boolean; link: boolean }>();

/** Unscoped attributes may be those of an event or a link. */
function usesScope(expression: FieldExpression | null, scope: "event" | "link"): boolean {
  if (expression === null) return false;
  let use = scopeUse.get(expression);
  if (use === undefined) {
    const refs = refsOf(expression);
    const uses = (name: "event" | "link") =>
      refs.some((ref) =>
        ref.scope === "any" || ref.scope === name ||
        (ref.scope === "intrinsic" && ref.name.startsWith(`${name}:`))
      );
    use = { event: uses("event"), link: uses("link") };
    scopeUse.set(expression, use);
  }
  return use[scope];
}

function attributeValue({ data }: TraceSpan, binding: Binding, ref: AttributeRef): Static {
  switch (ref.scope) {
    case "span":
      return find(data.attributes, ref.name) ?? NIL;
    case "resource":
      return find(data.resource.attributes, ref.name) ?? NIL;
    case "event":
      return find(binding.event?.attributes, ref.name) ?? NIL;
    case "link":
      return find(binding.link?.attributes, ref.name) ?? NIL;
    case "instrumentation":
      return find(data.scope.attributes, ref.name) ?? NIL;
    default:
      return find(data.attributes, ref.name) ?? find(data.resource.attributes, ref.name) ??
        find(binding.event?.attributes, ref.name) ?? find(binding.link?.attributes, ref.name) ??
        find(data.scope.attributes, ref.name) ?? NIL;
  }
}

function find(attributes: readonly Attribute[] | undefined, key: string): Static | undefined {
  if (attributes === undefined) return undefined;
  for (const attribute of attributes) if (attribute.key === key) return attribute.value;
  return undefined;
}

function intrinsicValue(span: TraceSpan, binding: Binding, name: Intrinsic): Static {
  const { data, trace } = span;
  switch (name) {
    case "duration":
      return { type: "duration", value: span.durationNs };
    case "name":
      return string(data.name);
    case "status":
      return { type: "status", value: data.status };
    case "statusMessage":
      return string(data.statusMessage);
    case "kind":
      return { type: "kind", value: data.kind };
    case "childCount":
      return { type: "int", value: span.children.length };
    case "rootName":
      return string(trace.root?.data.name ?? "");
    case "rootServiceName":
      return string(trace.root?.data.resource.serviceName ?? "");
    case "traceDuration":
      return { type: "duration", value: trace.durationNs };
    case "nestedSetLeft":
      return { type: "int", value: trace.numbersOf(span).left };
    case "nestedSetRight":
      return { type: "int", value: trace.numbersOf(span).right };
    case "nestedSetParent":
      return { type: "int", value: trace.numbersOf(span).parent };
    case "isRoot":
      return { type: "bool", value: data.parentSpanId === "" };
    case "span:id":
      return string(data.spanId);
    case "span:parentID":
      return string(data.parentSpanId);
    case "trace:id":
      return string(data.traceId);
    case "event:name":
      return binding.event === undefined ? NIL : string(binding.event.name);
    case "event:timeSinceStart":
      return binding.event === undefined
        ? NIL
        : { type: "duration", value: Number(binding.event.timeNs - data.startNs) };
    case "link:spanID":
      return binding.link === undefined ? NIL : string(binding.link.spanId);
    case "link:traceID":
      return binding.link === undefined ? NIL : string(binding.link.traceId);
    case "instrumentation:name":
      return string(data.scope.name);
    case "instrumentation:version":
      return string(data.scope.version);
  }
}

function string(value: string): Static {
  return { type: "string", value };
}
