/**
 * What a span's attributes and intrinsics are.
 *
 * A span has many events and links; a filter is about one of each: it holds when there is an event
 * and a link with which it is true. So `{ event:name = "a" && event.n > 1 }` means one event that is
 * both.
 */

import type { Attribute } from "../otlp/mod.ts";
import type { AttributeRef, FieldExpression, Intrinsic } from "./ast.ts";
import { holds, type Lookup, refsOf } from "./field_value.ts";
import { NIL, type Static } from "./static.ts";
import type { Binding, TraceSpan } from "./trace_view.ts";

const UNBOUND: readonly undefined[] = [undefined];

/** The event and link with which the filter holds for the span; undefined where it does not. */
export function bindingOf(
  expression: FieldExpression | null,
  span: TraceSpan,
): Binding | undefined {
  const { events, links } = span.data;
  const usesEvents = events.length > 0 && usesScope(expression, "event");
  const usesLinks = links.length > 0 && usesScope(expression, "link");
  for (const event of usesEvents ? events : UNBOUND) {
    for (const link of usesLinks ? links : UNBOUND) {
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
  const { events, links } = span.data;
  return lookupIn(span, {
    event: binding.event ?? events[0],
    link: binding.link ?? links[0],
  });
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

function attributeValue(span: TraceSpan, { event, link }: Binding, ref: AttributeRef): Static {
  const { attributes, resource, scope } = span.data;
  switch (ref.scope) {
    case "span":
      return find(attributes, ref.name) ?? NIL;
    case "resource":
      return find(resource.attributes, ref.name) ?? NIL;
    case "event":
      return find(event?.attributes, ref.name) ?? NIL;
    case "link":
      return find(link?.attributes, ref.name) ?? NIL;
    case "instrumentation":
      return find(scope.attributes, ref.name) ?? NIL;
    default:
      return find(attributes, ref.name) ?? find(resource.attributes, ref.name) ??
        find(event?.attributes, ref.name) ?? find(link?.attributes, ref.name) ??
        find(scope.attributes, ref.name) ?? NIL;
  }
}

function find(attributes: readonly Attribute[] | undefined, key: string): Static | undefined {
  if (attributes === undefined) return undefined;
  for (const attribute of attributes) if (attribute.key === key) return attribute.value;
  return undefined;
}

function intrinsicValue(span: TraceSpan, { event, link }: Binding, name: Intrinsic): Static {
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
      return event === undefined ? NIL : string(event.name);
    case "event:timeSinceStart":
      return event === undefined
        ? NIL
        : { type: "duration", value: Number(event.timeNs - data.startNs) };
    case "link:spanID":
      return link === undefined ? NIL : string(link.spanId);
    case "link:traceID":
      return link === undefined ? NIL : string(link.traceId);
    case "instrumentation:name":
      return string(data.scope.name);
    case "instrumentation:version":
      return string(data.scope.version);
  }
}

function string(value: string): Static {
  return { type: "string", value };
}
