/**
 * Search: the latest traces that match a query.
 *
 * Blocks are visited by the latest start of their spans, so that the search ends when no block that is
 * left can have a later trace than those found. Only traces with a candidate span are read.
 */

import { readStoredSpans } from "../otlp/mod.ts";
import {
  type AttributeRef,
  bindingOf,
  evaluateQuery,
  type FieldExpression,
  lookupForDisplay,
  type Query,
  refsOf,
  shownKey,
  shownRefs,
  type Spanset,
  type Static,
  type TraceResult,
  TraceView,
} from "../traceql/mod.ts";
import { candidateChunks } from "./block_filter.ts";
import { type BlockSource, type TimeRange, widen } from "./block_source.ts";
import { candidateFilter, demandedTraceId, needsTrace } from "./candidate_filter.ts";
import type { WorkSlice } from "./work_slice.ts";

export interface SearchOptions {
  readonly query: Query;
  /** Traces that overlap it. */
  readonly range: TimeRange;
  /** Traces. */
  readonly limit: number;
  /** Spans of each set of spans. */
  readonly spansPerSpanset: number;
  /** Of the whole trace. */
  readonly minDurationNs: number;
  readonly maxDurationNs: number;
}

export interface FoundSpan {
  readonly spanId: string;
  readonly startNs: bigint;
  readonly durationNs: number;
  /** When the query names it. */
  readonly name?: string;
  readonly attributes: readonly (readonly [string, Static])[];
}

export interface FoundSpanset {
  readonly spans: readonly FoundSpan[];
  /** All spans that matched, also those over the limit. */
  readonly matched: number;
  readonly attributes: readonly (readonly [string, Static])[];
}

export interface FoundTrace {
  readonly traceId: string;
  /** Null while the root has not arrived. */
  readonly root: { readonly name: string; readonly serviceName: string } | null;
  readonly startNs: bigint;
  readonly durationNs: number;
  readonly spansets: readonly FoundSpanset[];
  readonly services: readonly {
    readonly name: string;
    readonly spanCount: number;
    readonly errorCount: number;
  }[];
}

export interface SearchResult {
  /** The latest first. */
  readonly traces: readonly FoundTrace[];
  readonly inspectedTraces: number;
  readonly inspectedBytes: number;
}

export async function search(
  source: BlockSource,
  options: SearchOptions,
  slice: WorkSlice,
): Promise<SearchResult> {
  const found = new FoundTraces(options.limit);
  const reader = new TraceLoader(source);
  const filter = candidateFilter(options.query);
  const consider = (traceId: string) => {
    const view = reader.load(traceId);
    const trace = view && matchTrace(view, options);
    if (trace !== undefined) found.add(trace);
  };
  const traceId = demandedTraceId(filter);
  if (traceId !== undefined) {
    if (/^[0-9a-f]{32}$/.test(traceId)) consider(traceId);
    return { traces: found.traces, ...reader.inspected };
  }
  const isSpanOnly = !needsTrace(refsOf(filter));
  for (const head of source.heads(widen(options.range))) {
    if (!found.couldTake(head.maxStartNs)) break;
    const block = source.block(head);
    if (block === undefined) continue;
    for (const { chunkId, maxOffsetNs } of candidateChunks(filter, block, head.firstChunk)) {
      await slice.pause();
      // An offset beyond 2^53 is rounded: it must not end the search too early.
      if (!found.couldTake(block.baseNs + BigInt(Math.ceil(maxOffsetNs)) + 1024n)) break;
      const chunk = reader.chunk(chunkId);
      if (chunk === undefined) continue;
      if (isSpanOnly && filter !== null && !someSpanHolds(filter, chunk.data)) continue;
      consider(chunk.traceId);
    }
    await slice.pause();
  }
  return { traces: found.traces, ...reader.inspected };
}

/** Whether the filter, which needs no trace, holds for a span of the chunk. */
export function someSpanHolds(filter: FieldExpression, data: Uint8Array): boolean {
  const { spans } = new TraceView(readStoredSpans(data));
  return spans.some((span) => bindingOf(filter, span) !== undefined);
}

/** Reads each trace once, and counts. */
export class TraceLoader {
  readonly #source: BlockSource;
  readonly #seen = new Set<string>();
  #bytes = 0;

  constructor(source: BlockSource) {
    this.#source = source;
  }

  get inspected(): { inspectedTraces: number; inspectedBytes: number } {
    return { inspectedTraces: this.#seen.size, inspectedBytes: this.#bytes };
  }

  /** The chunk, unless its trace was loaded already. */
  chunk(chunkId: number): { traceId: string; data: Uint8Array } | undefined {
    const chunk = this.#source.chunk(chunkId);
    if (chunk === undefined || this.#seen.has(chunk.traceId)) return undefined;
    this.#bytes += chunk.data.length;
    return chunk;
  }

  /** The chunk's trace, unless it was loaded already. */
  unseenTraceOf(chunkId: number): string | undefined {
    const traceId = this.#source.traceIdOf(chunkId);
    return traceId === undefined || this.#seen.has(traceId) ? undefined : traceId;
  }

  /** Undefined when it is not there. */
  load(traceId: string): TraceView | undefined {
    this.#seen.add(traceId);
    const chunks = this.#source.traceChunks(traceId);
    if (chunks.length === 0) return undefined;
    for (const { length } of chunks) this.#bytes += length;
    return new TraceView(chunks.flatMap((data) => readStoredSpans(data)));
  }
}

/** The latest traces, as many as asked for. */
class FoundTraces {
  readonly #limit: number;
  #traces: FoundTrace[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get traces(): readonly FoundTrace[] {
    return this.#traces;
  }

  /** Whether a trace that starts at this time or earlier could be among the latest. */
  couldTake(startNs: bigint): boolean {
    return this.#traces.length < this.#limit ||
      startNs >= (this.#traces[this.#limit - 1]?.startNs ?? 0n);
  }

  add(trace: FoundTrace): void {
    const index = this.#traces.findIndex(({ startNs, traceId }) =>
      startNs < trace.startNs || (startNs === trace.startNs && traceId > trace.traceId)
    );
    this.#traces.splice(index < 0 ? this.#traces.length : index, 0, trace);
    this.#traces = this.#traces.slice(0, this.#limit);
  }
}

function matchTrace(trace: TraceView, options: SearchOptions): FoundTrace | undefined {
  const { range, minDurationNs, maxDurationNs, query } = options;
  if (trace.startNs > range.endNs || trace.endNs < range.startNs) return undefined;
  if (trace.durationNs < minDurationNs || trace.durationNs > maxDurationNs) return undefined;
  const result = evaluateQuery(query, trace);
  if (result.spansets.length === 0) return undefined;
  return {
    traceId: trace.traceId,
    root: trace.root && {
      name: trace.root.data.name,
      serviceName: trace.root.data.resource.serviceName,
    },
    startNs: trace.startNs,
    durationNs: trace.durationNs,
    spansets: result.spansets.map((spanset) => foundSpanset(spanset, result, options)),
    services: serviceCounts(trace),
  };
}

function foundSpanset(
  spanset: Spanset,
  result: TraceResult,
  options: SearchOptions,
): FoundSpanset {
  const isName = (ref: AttributeRef) => ref.scope === "intrinsic" && ref.name === "name";
  const spans = spanset.spans.slice(0, options.spansPerSpanset).map((span): FoundSpan => {
    const match = result.matches.get(span);
    const refs = shownRefs(options.query, match);
    const lookup = lookupForDisplay(span, match ?? {});
    return {
      spanId: span.data.spanId,
      startNs: span.data.startNs,
      durationNs: span.durationNs,
      name: refs.some(isName) ? span.data.name : undefined,
      attributes: refs
        .filter((ref) => !isName(ref))
        .map((ref) => [shownKey(ref), lookup(ref)] as const)
        .filter(([, value]) => value.type !== "nil"),
    };
  });
  return { spans, matched: spanset.spans.length, attributes: spanset.attributes };
}

function serviceCounts(trace: TraceView): FoundTrace["services"] {
  const counts = new Map<string, { name: string; spanCount: number; errorCount: number }>();
  for (const { data } of trace.spans) {
    const name = data.resource.serviceName;
    const count = counts.get(name) ?? { name, spanCount: 0, errorCount: 0 };
    counts.set(name, count);
    count.spanCount++;
    if (data.status === "error") count.errorCount++;
  }
  return [...counts.values()];
}
