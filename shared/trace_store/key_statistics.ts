/**
 * What is known of one attribute over a block: its values while they are few, the range of its
 * numbers, and for the rest a Bloom filter that all keys of the block share.
 */

import type { AttributeScope, ComparisonOp, Intrinsic, Static } from "../traceql/mod.ts";
import { compareStatics, numberOf, staticKey } from "../traceql/mod.ts";
import { mayContain } from "./bloom_filter.ts";
import { hashText53 } from "./hash.ts";

export type KeyScope = Exclude<AttributeScope, "any"> | "intrinsic";

/** Intrinsics of which statistics are kept. */
export const KEPT_INTRINSICS: readonly Intrinsic[] = [
  "name",
  "kind",
  "status",
  "statusMessage",
  "duration",
  "event:name",
  "instrumentation:name",
  "instrumentation:version",
];

/** More distinct values than this are only in the Bloom filter. */
const MAX_LISTED_VALUES = 64;

export interface KeyStatistics {
  readonly scope: KeyScope;
  readonly key: string;
  /** Null when there are too many. */
  readonly values: readonly Static[] | null;
  /** Of its numbers; infinite and reversed when there are none. */
  readonly min: number;
  readonly max: number;
}

export class KeyStatisticsBuilder {
  readonly scope: KeyScope;
  readonly key: string;
  readonly #hashes: Set<number>;
  readonly #prefixHash: number;
  /** By their bare value: of a key whose values have two types, equal ones count as one. */
  #values: Map<unknown, Static> | null = new Map();
  #min = Infinity;
  #max = -Infinity;
  #last: unknown;

  /** Hashes of values that are not listed go into `hashes`. */
  constructor(scope: KeyScope, key: string, hashes: Set<number>) {
    this.scope = scope;
    this.key = key;
    this.#hashes = hashes;
    this.#prefixHash = prefixHash(scope, key);
  }

  add(value: Static): void {
    if (value.type === "array") {
      for (const item of value.value) this.add(item);
      return;
    }
    const bare = "value" in value && typeof value.value !== "object" ? value.value : undefined;
    // Neighbours often have the same value.
    if (bare !== undefined && bare === this.#last) return;
    this.#last = bare;
    if (typeof bare === "number" || typeof bare === "bigint") {
      const number = Number(bare);
      if (number < this.#min) this.#min = number;
      if (number > this.#max) this.#max = number;
    }
    if (this.#values === null) {
      this.#hash(value);
      return;
    }
    this.#values.set(bare ?? staticKey(value), value);
    if (this.#values.size <= MAX_LISTED_VALUES) return;
    for (const listed of this.#values.values()) this.#hash(listed);
    this.#values = null;
  }

  build(): KeyStatistics {
    const values = this.#values === null ? null : [...this.#values.values()];
    return { scope: this.scope, key: this.key, values, min: this.#min, max: this.#max };
  }

  #hash(value: Static): void {
    // Every span has another duration: the range says all that helps.
    if (value.type !== "duration") {
      this.#hashes.add(hashText53(hashedText(value), this.#prefixHash));
    }
  }
}

/** False when no span of the block compares so. */
export function mayCompare(
  statistics: KeyStatistics,
  filter: Uint8Array,
  { op, value }: { readonly op: ComparisonOp; readonly value: Static },
): boolean {
  const { values, min, max } = statistics;
  if (values !== null) return values.some((listed) => compareStatics(op, listed, value));
  const number = numberOf(value);
  switch (op) {
    case "=":
      if (number !== undefined && (min > number || max < number)) return false;
      if (statistics.scope === "intrinsic" && statistics.key === "duration") return true;
      return mayContain(
        filter,
        hashText53(hashedText(value), prefixHash(statistics.scope, statistics.key)),
      );
    case "<":
    case "<=":
      return number === undefined || min <= number;
    case ">":
    case ">=":
      return number === undefined || max >= number;
    default:
      return true;
  }
}

function prefixHash(scope: KeyScope, key: string): number {
  return hashText53(`${scope}\0${key}\0`);
}

/** Numbers hash by what they are worth, whatever their type. */
function hashedText(value: Static): string {
  if (value.type === "string") return value.value;
  const number = numberOf(value);
  return number === undefined ? staticKey(value) : String(number);
}
