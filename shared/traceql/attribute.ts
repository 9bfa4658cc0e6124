/** Names of attributes and intrinsics, as queries and paths write them. */

import { SPAN_KINDS, SPAN_STATUSES } from "../otlp/mod.ts";
import type { AttributeRef, AttributeScope, Intrinsic } from "./ast.ts";
import type { Static } from "./static.ts";

/** Every spelling of an intrinsic to its canonical name. */
export const INTRINSICS: ReadonlyMap<string, Intrinsic> = new Map<string, Intrinsic>([
  ["duration", "duration"],
  ["name", "name"],
  ["status", "status"],
  ["statusMessage", "statusMessage"],
  ["kind", "kind"],
  ["childCount", "childCount"],
  ["rootName", "rootName"],
  ["rootServiceName", "rootServiceName"],
  ["traceDuration", "traceDuration"],
  ["nestedSetLeft", "nestedSetLeft"],
  ["nestedSetRight", "nestedSetRight"],
  ["nestedSetParent", "nestedSetParent"],
  ["span:duration", "duration"],
  ["span:name", "name"],
  ["span:status", "status"],
  ["span:statusMessage", "statusMessage"],
  ["span:kind", "kind"],
  ["span:childCount", "childCount"],
  ["span:id", "span:id"],
  ["span:parentID", "span:parentID"],
  ["trace:id", "trace:id"],
  ["trace:duration", "traceDuration"],
  ["trace:rootName", "rootName"],
  ["trace:rootService", "rootServiceName"],
  ["event:name", "event:name"],
  ["event:timeSinceStart", "event:timeSinceStart"],
  ["link:spanID", "link:spanID"],
  ["link:traceID", "link:traceID"],
  ["instrumentation:name", "instrumentation:name"],
  ["instrumentation:version", "instrumentation:version"],
]);

/** Words before a dot that name a scope. */
export const SCOPES: ReadonlySet<string> = new Set<AttributeScope>([
  "span",
  "resource",
  "event",
  "link",
  "instrumentation",
]);

export function attributeRef(scope: AttributeScope, name: string): AttributeRef {
  const isPlain = /^[^\s{}()=~!<>&|^,"]+$/.test(name);
  const shown = isPlain ? name : JSON.stringify(name);
  return { scope, name, text: scope === "any" ? `.${shown}` : `${scope}.${shown}` };
}

export function intrinsicRef(text: string): AttributeRef | undefined {
  const name = INTRINSICS.get(text);
  return name === undefined ? undefined : { scope: "intrinsic", name, text };
}

/** The key under which answers show an attribute: without its scope. */
export function shownKey(ref: AttributeRef): string {
  return ref.scope === "intrinsic" ? ref.text : ref.name;
}

/** The values that a query may compare these intrinsics with. */
export const SPAN_KEYWORDS: Readonly<Partial<Record<string, readonly Static[]>>> = {
  kind: SPAN_KINDS.map((value) => ({ type: "kind", value })),
  status: SPAN_STATUSES.map((value) => ({ type: "status", value })),
};
