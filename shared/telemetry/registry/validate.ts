/** The full check of an exported span against the registry: what emission is too hot to look at. */

import {
  attributeSpec,
  isOfType,
  roleOfName,
  type SpanKindName,
  SPANS,
  type SpanSpec,
} from "./mod.ts";

/** A span as a collector sees it. */
export interface ExportedSpan {
  readonly name: string;
  readonly kind: SpanKindName;
  readonly hasError: boolean;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly ExportedEvent[];
}

export interface ExportedEvent {
  readonly name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** Name of the parent span; `remote`: it is not Baton's; `root`: there is none. */
export type ParentOf = { readonly name: string } | "remote" | "root";

/**
 * Everything about the span that the registry does not allow, in words; empty when it is right.
 * `parent` is left out where it is not known.
 */
export function validateSpan(span: ExportedSpan, parent?: ParentOf): string[] {
  const role = roleOfName(span.name);
  if (role === null) return [`span "${span.name}" is not registered`];
  const spec = SPANS[role];
  const faults: string[] = [];
  if (span.kind !== spec.kind) faults.push(`kind is ${span.kind}, not ${spec.kind}`);
  if (parent !== undefined) faults.push(...parentFaults(parent, spec));
  for (const [name, value] of Object.entries(span.attributes)) {
    const attribute = attributeSpec(role, name);
    if (attribute === null) faults.push(`attribute ${name} is not registered`);
    else if (!isOfType(attribute, value)) faults.push(`attribute ${name} is not ${attribute.type}`);
  }
  for (const [name, attribute] of Object.entries(spec.attributes)) {
    if (attribute.isRequired && !span.hasError && !Object.hasOwn(span.attributes, name)) {
      faults.push(`attribute ${name} is missing`);
    }
  }
  for (const event of span.events) faults.push(...eventFaults(event, spec));
  return faults.map((fault) => `${span.name}: ${fault}`);
}

function parentFaults(parent: ParentOf, { parents }: SpanSpec): string[] {
  const role = typeof parent === "string" ? parent : roleOfName(parent.name);
  if (role !== null && parents.includes(role)) return [];
  const name = typeof parent === "string" ? parent : parent.name;
  return [`parent is ${name}, not one of ${parents.join(", ")}`];
}

function eventFaults({ name, attributes }: ExportedEvent, spec: SpanSpec): string[] {
  const event = Object.hasOwn(spec.events ?? {}, name) ? spec.events?.[name] : undefined;
  if (event === undefined) return [`event ${name} is not registered`];
  return Object.entries(attributes).flatMap(([key, value]) => {
    const attribute = Object.hasOwn(event.attributes ?? {}, key)
      ? event.attributes?.[key]
      : undefined;
    if (attribute === undefined) return [`attribute ${key} of event ${name} is not registered`];
    return isOfType(attribute, value)
      ? []
      : [`attribute ${key} of event ${name} is not ${attribute.type}`];
  });
}
