/**
 * Metrics over the spans that match.
 *
 * A query that looks at each span alone is answered from the columns of the blocks where these know
 * enough, and from the spans of a chunk where not. Another one evaluates whole traces.
 */

import { readStoredSpans } from "../otlp/mod.ts";
import {
  type AttributeRef,
  bindingOf,
  evaluateQuery,
  type FieldExpression,
  holds,
  lookupForDisplay,
  MetricsAccumulator,
  type MetricsOptions,
  type Query,
  queryRefs,
  type Series,
  type TraceSpan,
  TraceView,
} from "../traceql/mod.ts";
import type { Block } from "./block.ts";
import { blockMayHold, candidateChunks, ColumnLookup } from "./block_filter.ts";
import { type BlockHead, type BlockSource, type TimeRange, widen } from "./block_source.ts";
import { candidateFilter, needsTrace, spanFilter } from "./candidate_filter.ts";
import { TraceLoader } from "./search.ts";
import type { WorkSlice } from "./work_slice.ts";

export type MetricsQueryOptions = Pick<MetricsOptions, "stage" | "window" | "exemplarLimit"> & {
  readonly query: Query;
};

export async function queryMetrics(
  source: BlockSource,
  options: MetricsQueryOptions,
  slice: WorkSlice,
): Promise<Series[]> {
  const { query, stage, window } = options;
  const filter = spanFilter(query);
  const shownRefs = uniqueRefs([...queryRefs(query), ...stage.by, ...refList(stage.ref)]);
  const isPerSpan = filter !== undefined && !needsTrace([...stage.by, ...refList(stage.ref)]);
  const exemplarRefs = shownRefs.filter((ref) => !isPerSpan || !needsTrace([ref]));
  const accumulator = new MetricsAccumulator({ ...options, exemplarRefs });
  const range: TimeRange = window;
  if (isPerSpan) {
    const scan = new SpanScan({
      source,
      accumulator,
      windowStartNs: window.startNs,
      expression: filter.expression,
      refs: exemplarRefs,
    });
    for (const head of source.heads(range)) {
      const block = source.block(head);
      if (block === undefined || !blockMayHold(filter.expression, block)) continue;
      for (const chunkId of scan.fromColumns(head, block)) {
        await slice.pause();
        scan.fromChunk(chunkId);
      }
      await slice.pause();
    }
  } else {
    const widened = widen(range);
    await scanTraces({
      source,
      query,
      range: widened,
      slice,
      accumulator,
      windowStartNs: window.startNs,
    });
  }
  return accumulator.series();
}

interface SpanScanOptions {
  readonly source: BlockSource;
  readonly accumulator: MetricsAccumulator;
  readonly windowStartNs: bigint;
  readonly expression: FieldExpression | null;
  /** What the answer needs of a matching span. */
  readonly refs: readonly AttributeRef[];
}

class SpanScan {
  readonly #options: SpanScanOptions;

  constructor(options: SpanScanOptions) {
    this.#options = options;
  }

  /** Observes what the columns know; returns the chunks of which they do not know enough. */
  fromColumns(head: BlockHead, block: Block): number[] {
    const { source, accumulator, windowStartNs, expression, refs } = this.#options;
    const { chunk, startOffsetNs } = block.columns;
    const baseOffsetNs = Number(block.baseNs - windowStartNs);
    const baseMs = Number(block.baseNs / 1_000_000n);
    const view = new ColumnLookup(block);
    const toRead: number[] = [];
    for (let start = 0, end = 0; start < block.spans; start = end) {
      const chunkId = head.firstChunk + chunk[start];
      const matching: number[] = [];
      let isKnown = true;
      for (end = start; end < block.spans && chunk[end] === chunk[start]; end++) {
        if (!isKnown) continue;
        view.index = end;
        const isMatch: boolean | "unknown" = holds(expression, view.lookup);
        if (isMatch === false) continue;
        isKnown = isMatch === true && refs.every((ref) => view.lookup(ref).type !== "unknown");
        matching.push(end);
      }
      if (!isKnown) {
        toRead.push(chunkId);
        continue;
      }
      for (const index of matching) {
        view.index = index;
        accumulator.observe({
          offsetNs: baseOffsetNs + startOffsetNs[index],
          timeMs: baseMs + Math.floor(startOffsetNs[index] / 1e6),
          lookup: view.lookup,
          traceId: () => source.chunk(chunkId)?.traceId ?? "",
        });
      }
    }
    return toRead;
  }

  fromChunk(chunkId: number): void {
    const { source, accumulator, windowStartNs, expression } = this.#options;
    const chunk = source.chunk(chunkId);
    if (chunk === undefined) return;
    for (const span of new TraceView(readStoredSpans(chunk.data)).spans) {
      const binding = bindingOf(expression, span);
      if (binding === undefined) continue;
      observeSpan(accumulator, span, { windowStartNs, lookup: lookupForDisplay(span, binding) });
    }
  }
}

interface TraceScanOptions {
  readonly source: BlockSource;
  readonly query: Query;
  readonly range: TimeRange;
  readonly slice: WorkSlice;
  readonly accumulator: MetricsAccumulator;
  readonly windowStartNs: bigint;
}

async function scanTraces(options: TraceScanOptions): Promise<void> {
  const { source, query, range, slice, accumulator, windowStartNs } = options;
  const filter = candidateFilter(query);
  const loader = new TraceLoader(source);
  for (const head of source.heads(range)) {
    const block = source.block(head);
    if (block === undefined) continue;
    for (const { chunkId } of candidateChunks(filter, block, head.firstChunk)) {
      await slice.pause();
      const traceId = loader.unseenTraceOf(chunkId);
      const trace = traceId === undefined ? undefined : loader.load(traceId);
      if (trace === undefined) continue;
      const { spansets, matches } = evaluateQuery(query, trace);
      const spans = new Set(spansets.flatMap((spanset) => spanset.spans));
      for (const span of spans) {
        const lookup = lookupForDisplay(span, matches.get(span) ?? {});
        observeSpan(accumulator, span, { windowStartNs, lookup });
      }
    }
    await slice.pause();
  }
}

function observeSpan(
  accumulator: MetricsAccumulator,
  span: TraceSpan,
  { windowStartNs, lookup }: {
    windowStartNs: bigint;
    lookup: ReturnType<typeof lookupForDisplay>;
  },
): void {
  accumulator.observe({
    offsetNs: Number(span.data.startNs - windowStartNs),
    timeMs: Number(span.data.startNs / 1_000_000n),
    lookup,
    traceId: () => span.data.traceId,
  });
}

function refList(ref: AttributeRef | null): AttributeRef[] {
  return ref === null ? [] : [ref];
}

function uniqueRefs(refs: readonly AttributeRef[]): AttributeRef[] {
  return [...new Map(refs.map((ref) => [ref.text, ref])).values()];
}
