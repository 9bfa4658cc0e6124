/**
 * The vocabulary of the span registry: what one declaration says. Data only, no SDK.
 */

export type AttributeType = "string" | "int" | "double" | "boolean" | "string[]";

/** Detail levels: 1 stages, 2 sub-stages, 3 steps. */
export type Level = 1 | 2 | 3;

export interface AttributeSpec {
  readonly type: AttributeType;
  readonly description: string;
  /** `ms`, `By`, `tokens`, … for numbers that have one. */
  readonly unit?: string;
  /** Recorded from this level on; the span's own level when left out. */
  readonly level?: Level;
  /** Present on every span of the role that ends without an error. */
  readonly isRequired?: boolean;
}

export type AttributeSpecs = Readonly<Record<string, AttributeSpec>>;

export interface EventSpec {
  readonly description: string;
  readonly attributes?: AttributeSpecs;
}

export type SpanKindName = "INTERNAL" | "SERVER" | "CLIENT" | "PRODUCER" | "CONSUMER";

export interface SpanSpec {
  /** Span name; unique, without ids. */
  readonly name: string;
  readonly kind: SpanKindName;
  /** Roles that may be the parent; `root`: it may have none; `remote`: the parent may be the client's. */
  readonly parents: readonly string[];
  readonly level: Level;
  readonly description: string;
  /** It passes on what its siblings make: while one of them is open it waits, and does not work. */
  readonly isFedBySiblings?: boolean;
  /** Other processes have spans below it, and export them there only when it was exported. */
  readonly isAwaited?: boolean;
  /** The histogram that its duration goes into. */
  readonly histogram?: string;
  readonly attributes: AttributeSpecs;
  readonly events?: Readonly<Record<string, EventSpec>>;
}

/** The TypeScript type of an attribute's value. */
export type AttributeValue<T extends AttributeType> = T extends "string" ? string
  : T extends "int" | "double" ? number
  : T extends "boolean" ? boolean
  : readonly string[];
