/**
 * The store of spans on the main thread: writes go to the writer's thread, queries to another.
 *
 * A query thread that does not answer in time, as a hostile query can make it, is ended and started
 * anew, and the other queries that waited for it are asked again. A file that a reader finds broken is
 * replaced by the writer.
 */

import { deadline } from "@std/async/deadline.js";
import { OtlpError } from "../otlp/mod.ts";
import type { CapturedOutput } from "../runtime_output/captured_output.ts";
import { QueryLimitError, type Series, type Static } from "../traceql/mod.ts";
import type { TimeRange } from "./block_source.ts";
import type { MetricsInput } from "./query_thread.ts";
import type { SearchOptions, SearchResult } from "./search.ts";
import type { RetentionLimits, WriteResult, WriterStats } from "./span_writer.ts";
import { StoreError, type StoreFailure } from "./store_error.ts";
import type { TagScope, TagValuesOptions } from "./tags.ts";
import { ThreadCallError, ThreadClient, ThreadEndedError } from "./thread_call.ts";
import { QueryCancelledError, QueryTimeoutError } from "./work_slice.ts";
import type { WriterEvent } from "./writer_thread.ts";

export interface TraceStoreOptions {
  readonly path: string;
  readonly retention: RetentionLimits;
  readonly queryTimeoutMs: number;
  /** Something happened that people should know. */
  readonly onNotice: (message: string) => void;
  /** What libraries and the runtime say in the store's threads. */
  readonly onOutput: (output: CapturedOutput) => void;
}

export interface StoreStats extends WriterStats {
  /** Times that a query did not end, and its thread was. */
  readonly queryThreadRestarts: number;
  /** Files that were found broken and set aside. */
  readonly brokenFiles: number;
}

interface QueryOptions {
  readonly signal?: AbortSignal;
}

/** Beyond the time of a query, for one that does not look at its time. */
const HANG_MARGIN_MS = 2_000;

export class TraceStore implements AsyncDisposable {
  /** Rejects when the writer's thread ends by itself. */
  readonly failed: Promise<never>;
  readonly #options: TraceStoreOptions;
  readonly #writer: ThreadClient;
  #queries: Promise<ThreadClient>;
  #isClosing = false;
  #queryThreadRestarts = 0;
  #brokenFiles = 0;

  private constructor(options: TraceStoreOptions) {
    this.#options = options;
    const failure = Promise.withResolvers<never>();
    this.failed = failure.promise;
    // Whoever awaits it hears of it.
    this.failed.catch(() => {});
    this.#writer = new ThreadClient(new URL("./writer_thread.ts", import.meta.url), {
      onOutput: options.onOutput,
      onEvent: (event) => this.#onWriterEvent(event as WriterEvent),
      onEnd: (error) => failure.reject(new Error(`The writer of traces ended: ${error.message}`)),
    });
    this.#queries = Promise.reject(new Error("The queries are not open"));
    this.#queries.catch(() => {});
  }

  /** Opens or creates the database. Rejects with a StoreError. */
  static async open(options: TraceStoreOptions): Promise<TraceStore> {
    const store = new TraceStore(options);
    const { path, retention } = options;
    try {
      await store.#writer.call("open", { path, retention }).catch(rethrow);
      store.#queries = store.#startQueries();
      await store.#queries;
    } catch (error) {
      store.#isClosing = true;
      store.#writer.end("closed");
      throw error;
    }
    return store;
  }

  /**
   * Stores an export request (a TracesData); resolves when it is committed. The bytes move to another
   * thread. Rejects with an OtlpError or a StoreError.
   */
  async write(bytes: Uint8Array<ArrayBuffer>): Promise<WriteResult> {
    return await this.#writer.call("write", bytes, { transfer: [bytes.buffer] })
      .catch(rethrow) as WriteResult;
  }

  /** The TracesData of a trace; empty when it is unknown. Queries reject with a QueryTimeoutError. */
  async trace(traceId: string): Promise<Uint8Array<ArrayBuffer>> {
    return await this.#query("trace", traceId) as Uint8Array<ArrayBuffer>;
  }

  /** This query and the following reject with a QueryCancelledError soon after `signal` aborts. */
  async search(options: SearchOptions, signal?: AbortSignal): Promise<SearchResult> {
    return await this.#query("search", options, { signal }) as SearchResult;
  }

  async metrics(input: MetricsInput, signal?: AbortSignal): Promise<Series[]> {
    return await this.#query("metrics", input, { signal }) as Series[];
  }

  async tagKeys(
    range: TimeRange | undefined,
    signal?: AbortSignal,
  ): Promise<Map<TagScope, string[]>> {
    return await this.#query("tags", range, { signal }) as Map<TagScope, string[]>;
  }

  async tagValues(options: TagValuesOptions, signal?: AbortSignal): Promise<Static[]> {
    return await this.#query("tag_values", options, { signal }) as Static[];
  }

  async stats(): Promise<StoreStats> {
    const stats = await this.#writer.call("stats", null).catch(rethrow) as WriterStats;
    return {
      ...stats,
      queryThreadRestarts: this.#queryThreadRestarts,
      brokenFiles: this.#brokenFiles,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    (await this.#queries).end("closed");
    await this.#writer.call("close", null).catch(() => {
      // It has ended: there is nothing left to close.
    });
    this.#writer.end("closed");
  }

  async #query(name: string, input: unknown, options: QueryOptions = {}): Promise<unknown> {
    try {
      return await this.#ask(name, input, options);
    } catch (error) {
      if (error instanceof ThreadEndedError && !this.#isClosing) {
        return await this.#ask(name, input, options).catch(rethrow);
      }
      return rethrow(error);
    }
  }

  /** Rejects with a ThreadEndedError where another query ended the thread. */
  async #ask(name: string, input: unknown, { signal }: QueryOptions): Promise<unknown> {
    const timeoutMs = this.#options.queryTimeoutMs + HANG_MARGIN_MS;
    const thread = await this.#queries;
    if (signal?.aborted) throw new QueryCancelledError();
    try {
      return await deadline(thread.call(name, input, { signal }), timeoutMs);
    } catch (error) {
      if (error instanceof DOMException && error.name === "TimeoutError") {
        // One that waited behind the query which was ended in the same moment is asked again.
        if (thread.hasEnded) throw new ThreadEndedError("another query did not end");
        thread.end("a query did not end");
        throw new QueryTimeoutError("the query did not end in time; make its conditions simpler");
      }
      if (error instanceof ThreadCallError && error.detail === "corrupt") {
        await this.#writer.call("replace", null).catch(rethrow);
      }
      throw error;
    }
  }

  async #startQueries(): Promise<ThreadClient> {
    const { path, queryTimeoutMs } = this.#options;
    const thread = new ThreadClient(new URL("./query_thread.ts", import.meta.url), {
      onOutput: this.#options.onOutput,
      onEnd: () => {
        if (this.#isClosing) return;
        this.#queryThreadRestarts++;
        this.#options.onNotice("the thread of queries was started again");
        this.#queries = this.#startQueries();
        this.#queries.catch(() => {});
      },
    });
    await thread.call("open", { path, timeoutMs: queryTimeoutMs }).catch(rethrow);
    return thread;
  }

  #onWriterEvent(event: WriterEvent): void {
    if (event.event === "retention_failed") {
      this.#options.onNotice(`cannot forget old traces: ${event.message}`);
      return;
    }
    this.#brokenFiles++;
    this.#options.onNotice(
      `the trace database was broken; it is now ${event.setAside}, and a new one is in its place`,
    );
    const { path, queryTimeoutMs } = this.#options;
    this.#queries
      .then((thread) => thread.call("open", { path, timeoutMs: queryTimeoutMs }))
      .catch(() => {
        // Not open yet, or ended: it opens the new file when it starts.
      });
  }
}

const STORE_FAILURES: ReadonlySet<unknown> = new Set<StoreFailure>([
  "full",
  "corrupt",
  "unavailable",
]);

/** Errors of the threads by their own classes again. */
function rethrow(error: unknown): never {
  if (error instanceof ThreadEndedError) throw new StoreError("unavailable", error.message);
  if (!(error instanceof ThreadCallError)) throw error;
  if (error.name === "OtlpError") throw new OtlpError(error.message);
  if (error.name === "QueryLimitError") throw new QueryLimitError(error.message);
  if (error.name === "QueryTimeoutError") throw new QueryTimeoutError(error.message);
  if (error.name === "QueryCancelledError") throw new QueryCancelledError();
  if (STORE_FAILURES.has(error.detail)) {
    throw new StoreError(error.detail as StoreFailure, error.message);
  }
  throw error;
}
