/**
 * The thread that answers queries. They take turns, so that a short one does not wait for a long one; a
 * lookup by id is so short that it waits for no turn.
 */

import type { DatabaseSync } from "node:sqlite";
import { type MetricsRange, MetricsWindow } from "../traceql/mod.ts";
import { BlockSource, type TimeRange } from "./block_source.ts";
import { mergeChunks } from "./chunk.ts";
import { openForReading } from "./database.ts";
import { type MetricsQueryOptions, queryMetrics } from "./metrics_query.ts";
import { search, type SearchOptions } from "./search.ts";
import { isCorrupt, StoreError } from "./store_error.ts";
import { tagKeys, tagValues, type TagValuesOptions } from "./tags.ts";
import { serveCalls, type ThreadScope } from "./thread_call.ts";
import { WorkSlice } from "./work_slice.ts";

export interface OpenQueriesInput {
  readonly path: string;
  readonly timeoutMs: number;
}

export type MetricsInput = Omit<MetricsQueryOptions, "window"> & { readonly range: MetricsRange };

// The lib that is checked against has no worker scope.
const scope = self as unknown as ThreadScope;
let settings: OpenQueriesInput = { path: "", timeoutMs: 0 };
let database: DatabaseSync | undefined;
let source: BlockSource | undefined;

/** Takes the file of now, with the next query. */
function open(input: OpenQueriesInput): void {
  settings = input;
  source = undefined;
}

/** Throws a StoreError where the file cannot be opened; the next query tries again. */
function openedSource(): BlockSource {
  if (source !== undefined) return source;
  database?.close();
  database = undefined;
  try {
    database = openForReading(settings.path);
    return source = new BlockSource(database);
  } catch (error) {
    if (isCorrupt(error)) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new StoreError(
      "unavailable",
      `Cannot open the trace database ${settings.path}: ${reason}`,
    );
  }
}

/** Runs a query; a broken file is a StoreError. */
function query<T, R>(
  body: (source: BlockSource, input: T, slice: WorkSlice) => R | Promise<R>,
): (input: T, signal: AbortSignal) => Promise<R> {
  return async (input, signal) => {
    try {
      return await body(openedSource(), input, new WorkSlice(settings.timeoutMs, signal));
    } catch (error) {
      if (!isCorrupt(error)) throw error;
      throw new StoreError("corrupt", "Cannot read the trace database: it is broken");
    }
  };
}

/** Runs a query that may take long. */
function longQuery<T, R>(
  body: (source: BlockSource, input: T, slice: WorkSlice) => Promise<R>,
): (input: T, signal: AbortSignal) => Promise<R> {
  return query(async (source, input: T, slice) => {
    await slice.pause();
    return await body(source, input, slice);
  });
}

serveCalls(scope, {
  open,
  /** The bytes of a TracesData, empty for an unknown trace. */
  trace: query((blocks, traceId: string) => mergeChunks(blocks.traceChunks(traceId))),
  search: longQuery((blocks, options: SearchOptions, slice) => search(blocks, options, slice)),
  metrics: longQuery((blocks, { range, ...options }: MetricsInput, slice) =>
    queryMetrics(blocks, { ...options, window: new MetricsWindow(range) }, slice)
  ),
  tags: longQuery((blocks, range: TimeRange | undefined, slice) => tagKeys(blocks, range, slice)),
  tag_values: longQuery((blocks, options: TagValuesOptions, slice) =>
    tagValues(blocks, options, slice)
  ),
});
