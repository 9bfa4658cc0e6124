/** The store of traces: SQLite behind two threads. */
export type { TimeRange } from "./block_source.ts";
export type { MetricsInput } from "./query_thread.ts";
export type { FoundSpanset, FoundTrace, SearchOptions, SearchResult } from "./search.ts";
export type { RetentionLimits, WriteResult } from "./span_writer.ts";
export { StoreError, type StoreFailure } from "./store_error.ts";
export type { TagScope, TagValuesOptions } from "./tags.ts";
export { type StoreStats, TraceStore, type TraceStoreOptions } from "./trace_store.ts";
export { QueryCancelledError, QueryTimeoutError } from "./work_slice.ts";
