/** Which blocks, and which chunks of a block, may have spans for which a filter holds. */

import {
  type AttributeRef,
  type ComparisonOp,
  type FieldExpression,
  holds,
  NIL,
  type Static,
  UNKNOWN,
} from "../traceql/mod.ts";
import { SPAN_KINDS, SPAN_STATUSES } from "../otlp/mod.ts";
import { type Block, isRoot, kindOf, statusOf } from "./block.ts";
import {
  KEPT_INTRINSICS,
  type KeyScope,
  type KeyStatistics,
  mayCompare,
} from "./key_statistics.ts";

/** Where an unscoped attribute is looked for. */
const ATTRIBUTE_SCOPES: readonly KeyScope[] = [
  "span",
  "resource",
  "event",
  "link",
  "instrumentation",
];
const KEPT: ReadonlySet<string> = new Set(KEPT_INTRINSICS);
const KINDS: readonly Static[] = SPAN_KINDS.map((value) => ({ type: "kind", value }));
const STATUSES: readonly Static[] = SPAN_STATUSES.map((value) => ({ type: "status", value }));

/** False when the filter holds for no span of the block. */
export function blockMayHold(expression: FieldExpression | null, block: Block): boolean {
  switch (expression?.kind) {
    case "static":
      return expression.value.type === "bool" && expression.value.value;
    case "attribute":
      return mayCompareRef(expression.ref, block, "=", { type: "bool", value: true });
    case "binary":
      return binaryMayHold(expression, block);
    default:
      return true;
  }
}

function binaryMayHold(expression: FieldExpression & { kind: "binary" }, block: Block): boolean {
  const { op, left, right } = expression;
  switch (op) {
    case "&&":
      return blockMayHold(left, block) && blockMayHold(right, block);
    case "||":
      return blockMayHold(left, block) || blockMayHold(right, block);
    case "=":
    case "!=":
    case "<":
    case "<=":
    case ">":
    case ">=":
    case "=~":
    case "!~":
      return left.kind === "attribute" && right.kind === "static"
        ? mayCompareRef(left.ref, block, op, right.value)
        : true;
    default:
      return true;
  }
}

function mayCompareRef(
  ref: AttributeRef,
  block: Block,
  op: ComparisonOp,
  value: Static,
): boolean {
  if (ref.scope === "intrinsic" && !KEPT.has(ref.name)) return true;
  const statistics = statisticsOf(ref, block);
  if (value.type === "nil") return op === "=" || statistics.length > 0;
  return statistics.some((one) => mayCompare(one, block.bloomFilter, { op, value }));
}

/** Of the keys that the reference may mean; none when no span of the block has one. */
function statisticsOf(ref: AttributeRef, block: Block): KeyStatistics[] {
  const scopes = ref.scope === "any" ? ATTRIBUTE_SCOPES : [ref.scope];
  return scopes.flatMap((scope) => block.keys.get(scope)?.get(ref.name) ?? []);
}

type Resolver = (index: number) => Static;

/** Looks up what the columns of a block say of one span after the other; `unknown` of the rest. */
export class ColumnLookup {
  readonly #block: Block;
  readonly #names: readonly Static[];
  readonly #services: readonly Static[];
  readonly #resolvers = new Map<AttributeRef, Resolver>();
  /** The span that is looked at. */
  index = 0;

  constructor(block: Block) {
    this.#block = block;
    this.#names = block.names.map((value) => ({ type: "string", value }));
    // An empty name is one that the columns do not hold.
    this.#services = block.services.map((value) =>
      value === "" ? UNKNOWN : { type: "string", value }
    );
  }

  readonly lookup = (ref: AttributeRef): Static => {
    let resolver = this.#resolvers.get(ref);
    if (resolver === undefined) this.#resolvers.set(ref, resolver = this.#resolverOf(ref));
    return resolver(this.index);
  };

  #resolverOf(ref: AttributeRef): Resolver {
    const { columns } = this.#block;
    if (isServiceName(ref, this.#block)) return (index) => this.#services[columns.service[index]];
    if (ref.scope !== "intrinsic") {
      const value = statisticsOf(ref, this.#block).length === 0 ? NIL : UNKNOWN;
      return () => value;
    }
    switch (ref.name) {
      case "name":
        return (index) => this.#names[columns.name[index]];
      case "kind":
        return (index) => KINDS[kindOf(columns.flags[index])];
      case "status":
        return (index) => STATUSES[statusOf(columns.flags[index])];
      case "duration":
        return (index) => ({ type: "duration", value: columns.durationNs[index] });
      case "isRoot":
        return (index) => ({ type: "bool", value: isRoot(columns.flags[index]) });
      case "nestedSetParent":
        return (index) => isRoot(columns.flags[index]) ? { type: "int", value: -1 } : UNKNOWN;
      case "statusMessage":
      case "instrumentation:name":
      case "instrumentation:version": {
        const value = onlyValue(ref, this.#block);
        return () => value;
      }
      case "event:name": {
        const value = statisticsOf(ref, this.#block).length === 0 ? NIL : UNKNOWN;
        return () => value;
      }
      default:
        return () => UNKNOWN;
    }
  }
}

/** Whether the reference is the resource's service name for every span of the block. */
function isServiceName(ref: AttributeRef, block: Block): boolean {
  if (ref.scope === "intrinsic" || ref.name !== "service.name") return false;
  if (ref.scope === "resource") return true;
  return ref.scope === "any" && block.keys.get("span")?.get("service.name") === undefined;
}

/** The value of an intrinsic that every span has, where it is the same on all. */
function onlyValue(ref: AttributeRef, block: Block): Static {
  const values = statisticsOf(ref, block)[0]?.values;
  return values?.length === 1 ? values[0] : UNKNOWN;
}

export interface ChunkCandidate {
  readonly chunkId: number;
  /** The latest start among its spans that may match: nanoseconds after the block's base. */
  readonly maxOffsetNs: number;
}

/** The chunks of a block with a span for which the filter may hold, the latest first. */
export function candidateChunks(
  expression: FieldExpression | null,
  block: Block,
  firstChunk: number,
): ChunkCandidate[] {
  if (!blockMayHold(expression, block)) return [];
  const latest = new Map<number, number>();
  const view = new ColumnLookup(block);
  const { chunk, startOffsetNs } = block.columns;
  for (view.index = 0; view.index < block.spans; view.index++) {
    if (holds(expression, view.lookup) === false) continue;
    const chunkId = firstChunk + chunk[view.index];
    const offset = startOffsetNs[view.index];
    if (offset >= (latest.get(chunkId) ?? -Infinity)) latest.set(chunkId, offset);
  }
  return [...latest]
    .map(([chunkId, maxOffsetNs]) => ({ chunkId, maxOffsetNs }))
    .sort((a, b) => b.maxOffsetNs - a.maxOffsetNs);
}
