/**
 * The span registry: every span that Baton emits, as data. Code can open only a registered role, with
 * attributes that the compiler checks against it; what a cast lets through is dropped at emission.
 *
 * A role keeps its name, kind and attribute types: dashboards, queries and the service graph read
 * them. A span's kind decides its edges: only a CONSUMER directly below a PRODUCER of another service
 * draws one.
 */

import { BROWSER_SPANS } from "./browser_spans.ts";
import { FRONTEND_SPANS } from "./frontend_spans.ts";
import { ANY_ROLE } from "./shared_attributes.ts";
import type { AttributeSpec, AttributeValue, SpanSpec } from "./spec.ts";
import { STEP_SPANS } from "./step_spans.ts";
import { WORKER_SPANS } from "./worker_spans.ts";

export type {
  AttributeSpec,
  AttributeType,
  EventSpec,
  Level,
  SpanKindName,
  SpanSpec,
} from "./spec.ts";

const DECLARED = { ...BROWSER_SPANS, ...FRONTEND_SPANS, ...WORKER_SPANS, ...STEP_SPANS };

/** The key of a declaration: `http_request`, `handle_payload`, … */
export type SpanRole = keyof typeof DECLARED;

/** Every declaration by its role. */
export const SPANS: Readonly<Record<SpanRole, SpanSpec>> = DECLARED;

type Declared<R extends SpanRole> =
  & (typeof DECLARED)[R]["attributes"]
  & typeof ANY_ROLE;

/** Attribute names to values of one role, with the types that the registry declares. */
export type AttributeValues<R extends SpanRole> = R extends SpanRole ? {
    readonly [K in keyof Declared<R>]: Declared<R>[K] extends AttributeSpec
      ? AttributeValue<Declared<R>[K]["type"]>
      : never;
  }
  : never;

const ROLE_BY_NAME: ReadonlyMap<string, SpanRole> = new Map(
  (Object.keys(DECLARED) as SpanRole[]).map((role) => [DECLARED[role].name, role]),
);

/** The role of a span name; null for a name that is not registered. */
export function roleOfName(name: string): SpanRole | null {
  return ROLE_BY_NAME.get(name) ?? null;
}

const ATTRIBUTES: ReadonlyMap<SpanRole, ReadonlyMap<string, AttributeSpec>> = new Map(
  (Object.keys(DECLARED) as SpanRole[]).map((role) => [
    role,
    new Map(Object.entries({ ...ANY_ROLE, ...SPANS[role].attributes })),
  ]),
);

/** What the registry says of an attribute on a role; null when it may not be there. */
export function attributeSpec(role: SpanRole, attribute: string): AttributeSpec | null {
  return ATTRIBUTES.get(role)?.get(attribute) ?? null;
}

/** Every attribute that a span of the role may have. */
export function attributeNames(role: SpanRole): string[] {
  return [...ATTRIBUTES.get(role)?.keys() ?? []];
}

/** Whether `value` is of the attribute's declared type. */
export function isOfType(spec: AttributeSpec, value: unknown): boolean {
  switch (spec.type) {
    case "string":
      return typeof value === "string";
    case "int":
      return Number.isSafeInteger(value);
    case "double":
      return Number.isFinite(value);
    case "boolean":
      return typeof value === "boolean";
    case "string[]":
      return Array.isArray(value) && value.every((item) => typeof item === "string");
  }
}
