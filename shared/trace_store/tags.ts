/** Which attributes there are, and which values they have. */

import { readStoredSpans } from "../otlp/mod.ts";
import {
  type AttributeRef,
  bindingOf,
  type FieldExpression,
  lookupIn,
  type Query,
  type Static,
  staticKey,
  type TraceSpan,
  TraceView,
} from "../traceql/mod.ts";
import { type Block, isRoot } from "./block.ts";
import { blockMayHold, candidateChunks } from "./block_filter.ts";
import type { BlockSource, TimeRange } from "./block_source.ts";
import { needsTrace, spanFilter } from "./candidate_filter.ts";
import { KEPT_INTRINSICS, type KeyScope } from "./key_statistics.ts";
import type { WorkSlice } from "./work_slice.ts";

export type TagScope = Exclude<KeyScope, "intrinsic">;

const TAG_SCOPES: readonly TagScope[] = ["event", "instrumentation", "link", "resource", "span"];
const ROOT_TEXTS: ReadonlySet<string> = new Set(["rootName", "rootServiceName"]);
const KEPT: ReadonlySet<string> = new Set(KEPT_INTRINSICS);

/** Sorted keys by scope; a scope without any is left out. */
export async function tagKeys(
  source: BlockSource,
  range: TimeRange | undefined,
  slice: WorkSlice,
): Promise<Map<TagScope, string[]>> {
  const keys = new Map(TAG_SCOPES.map((scope) => [scope, new Set<string>()]));
  for (const head of source.heads(range)) {
    const block = source.block(head);
    for (const [scope, found] of keys) {
      for (const key of block?.keys.get(scope)?.keys() ?? []) found.add(key);
    }
    await slice.pause();
  }
  return new Map(
    [...keys].filter(([, found]) => found.size > 0).map(([scope, found]) =>
      [scope, [...found].sort()] as const
    ),
  );
}

export interface TagValuesOptions {
  readonly ref: AttributeRef;
  readonly range: TimeRange | undefined;
  /** Only values of spans that match, where the query looks at each span alone. */
  readonly query: Query | null;
  readonly limit: number;
}

/** Distinct values of an attribute or intrinsic, those of the latest spans first. */
export async function tagValues(
  source: BlockSource,
  options: TagValuesOptions,
  slice: WorkSlice,
): Promise<Static[]> {
  const { ref, range, query, limit } = options;
  const isOfTrace = needsTrace([ref]);
  // Blocks list the names of roots, and nothing else of whole traces.
  if (isOfTrace && !ROOT_TEXTS.has(ref.name)) return [];
  const filter = query === null || isOfTrace ? undefined : spanFilter(query);
  const found = new Map<string, Static>();
  const add = (value: Static) => {
    if (value.type === "array") value.value.forEach(add);
    else if (isValue(value) && found.size < limit) found.set(staticKey(value), value);
  };
  for (const head of source.heads(range)) {
    if (found.size >= limit) break;
    const block = source.block(head);
    if (block === undefined) continue;
    const listed = filter?.expression ? undefined : listedValues(ref, block);
    if (listed !== undefined) listed.forEach(add);
    else if (blockMayHold(filter?.expression ?? null, block)) {
      const expression = filter?.expression ?? null;
      for (const { chunkId } of candidateChunks(expression, block, head.firstChunk)) {
        if (found.size >= limit) break;
        for (const value of chunkValues(source, { chunkId, ref, expression })) add(value);
        await slice.pause();
      }
    }
    await slice.pause();
  }
  return [...found.values()];
}

/** An empty text is what an intrinsic has when its sender set none. */
function isValue(value: Static): boolean {
  return value.type !== "nil" && !(value.type === "string" && value.value === "");
}

/** The values that the block lists; undefined where they must be read from the spans. */
function listedValues(ref: AttributeRef, block: Block): readonly Static[] | undefined {
  if (ref.scope === "intrinsic") {
    if (ref.name === "rootName") return rootValues(block, block.names, block.columns.name);
    if (ref.name === "rootServiceName") {
      return rootValues(block, block.services, block.columns.service);
    }
    if (!KEPT.has(ref.name)) return undefined;
  }
  const scopes: readonly KeyScope[] = ref.scope === "any" ? TAG_SCOPES : [ref.scope];
  const lists = scopes.map((scope) => {
    const statistics = block.keys.get(scope)?.get(ref.name);
    return statistics === undefined ? [] : statistics.values;
  });
  return lists.some((values) => values === null)
    ? undefined
    : lists.flatMap((values) => values ?? []);
}

function rootValues(block: Block, texts: readonly string[], column: Uint32Array): Static[] {
  const indices = new Set<number>();
  block.columns.flags.forEach((flags, index) => {
    if (isRoot(flags)) indices.add(column[index]);
  });
  return [...indices].map((index) => ({ type: "string", value: texts[index] }));
}

interface ChunkScan {
  readonly chunkId: number;
  readonly ref: AttributeRef;
  readonly expression: FieldExpression | null;
}

function chunkValues(source: BlockSource, { chunkId, ref, expression }: ChunkScan): Static[] {
  const chunk = source.chunk(chunkId);
  if (chunk === undefined) return [];
  return new TraceView(readStoredSpans(chunk.data)).spans
    .filter((span) => expression === null || bindingOf(expression, span) !== undefined)
    .flatMap((span) => spanValues(ref, span));
}

/** Those of all events and links of the span. */
function spanValues(ref: AttributeRef, span: TraceSpan): Static[] {
  const { events, links } = span.data;
  return [{}, ...events.map((event) => ({ event })), ...links.map((link) => ({ link }))]
    .map((binding) => lookupIn(span, binding)(ref));
}
