/**
 * Writes spans: several requests in one transaction, blocks when enough spans came, and forgets the
 * oldest blocks. Runs on a thread of its own, and everything here blocks it.
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { OtlpError, readSpans } from "../otlp/mod.ts";
import { encodeBlock } from "./block.ts";
import { BLOCK_SPANS, BlockBuilder } from "./block_builder.ts";
import { type SplitRequest, splitRequest } from "./chunk.ts";
import { lockForWriting, moveAside, openForWriting, pragma } from "./database.ts";
import { isCorrupt, isFull, StoreError } from "./store_error.ts";

export interface SpanWriterOptions {
  readonly path: string;
  /** The database file was broken and went to `setAside`; a new one is in its place. */
  readonly onReplaced: (setAside: string) => void;
  /** Pages that the file may have, for tests of a full disk. */
  readonly maxPages?: number;
}

export interface RetentionLimits {
  readonly maxAgeMs: number;
  readonly maxBytes: number;
}

export interface WriterStats {
  /** Bytes in use, without what is free inside the file. */
  readonly usedBytes: number;
  readonly spans: number;
  /** Deleted by this writer, by why: too old, or too much. */
  readonly forgottenSpans: { readonly age: number; readonly size: number };
}

export interface WriteResult {
  readonly acceptedSpans: number;
  readonly rejectedSpans: number;
  /** Why spans were rejected; empty when none were. */
  readonly reason: string;
}

/** A tail that nothing is added to is sealed at this age, so that it can be forgotten too. */
const MAX_TAIL_AGE_MS = 10 * 60_000;
/** Blocks that one retention run deletes at most: it blocks the writing. */
const BLOCKS_PER_RUN = 32;

interface Statements {
  readonly insertChunk: StatementSync;
  readonly insertBlock: StatementSync;
}

export class SpanWriter {
  readonly #options: SpanWriterOptions;
  readonly #lock: Disposable;
  #database: DatabaseSync;
  #statements: Statements;
  #tail = new BlockBuilder();
  #tailSinceMs = 0;
  #nextChunk = 1;
  readonly #forgottenSpans = { age: 0, size: 0 };

  /** Opens or creates the database. Throws a StoreError. */
  constructor(options: SpanWriterOptions) {
    this.#options = options;
    this.#lock = lockForWriting(options.path);
    const { database, setAside } = openForWriting(options.path);
    this.#database = database;
    this.#statements = this.#prepare();
    if (setAside !== undefined) options.onReplaced(setAside);
    this.#recovering(() => this.#readTail());
  }

  /**
   * Stores requests, all in one transaction; returns when they are committed. A request that is no
   * OTLP gets its error as its result. Throws a StoreError when nothing could be stored.
   */
  write(requests: readonly Uint8Array[]): (WriteResult | OtlpError)[] {
    const splits = requests.map(splitOrError);
    try {
      const valid = splits.filter((split): split is SplitRequest => !(split instanceof OtlpError));
      this.#recovering(() => this.#insert(valid));
    } catch (error) {
      throw storeError(error, this.#options.path);
    }
    return splits.map((split) =>
      split instanceof OtlpError ? split : {
        acceptedSpans: split.chunks.reduce((sum, { spans }) => sum + spans.length, 0),
        rejectedSpans: split.rejectedSpans,
        reason: split.reason,
      }
    );
  }

  /** Forgets what is too old or too much; true when there is more to forget. */
  retain(limits: RetentionLimits, nowMs = Date.now()): boolean {
    try {
      return this.#recovering(() => {
        const isIdle = this.#tail.spans > 0 && nowMs - this.#tailSinceMs > MAX_TAIL_AGE_MS;
        if (isIdle) this.#transaction(() => this.#seal(nowMs));
        return this.#forget(limits, nowMs);
      });
    } catch (error) {
      throw storeError(error, this.#options.path);
    }
  }

  /** Puts the database aside, because a reader found it broken, and starts a new one. */
  replace(): void {
    const { path, onReplaced } = this.#options;
    this.#database.close();
    const setAside = moveAside(path);
    this.#database = openForWriting(path).database;
    this.#statements = this.#prepare();
    this.#tail = new BlockBuilder();
    onReplaced(setAside);
  }

  stats(): WriterStats {
    const sealed = this.#database.prepare("SELECT coalesce(sum(spans), 0) AS spans FROM blocks")
      .get();
    return {
      usedBytes: this.#usedBytes(),
      spans: Number(sealed?.spans ?? 0) + this.#tail.spans,
      forgottenSpans: { ...this.#forgottenSpans },
    };
  }

  #usedBytes(): number {
    const pages = pragma(this.#database, "page_count") - pragma(this.#database, "freelist_count");
    return pages * pragma(this.#database, "page_size");
  }

  [Symbol.dispose](): void {
    this.#database.close();
    this.#lock[Symbol.dispose]();
  }

  #prepare(): Statements {
    const { maxPages } = this.#options;
    if (maxPages !== undefined) this.#database.exec(`PRAGMA max_page_count = ${maxPages}`);
    return {
      insertChunk: this.#database.prepare(
        "INSERT OR IGNORE INTO chunks (id, trace_id, digest, spans, data) VALUES (?, ?, ?, ?, ?)",
      ),
      insertBlock: this.#database.prepare(
        `INSERT INTO blocks (first_chunk, last_chunk, sealed_ms, spans, min_start_ns, max_start_ns,
          max_end_ns, summary) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      ),
    };
  }

  /** Runs `body`, once more on a new file when the old one turns out broken. */
  #recovering<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      if (!isCorrupt(error)) throw error;
      this.replace();
      return body();
    }
  }

  /** Reads the chunks after the last block. */
  #readTail(): void {
    const last = this.#database.prepare("SELECT coalesce(max(last_chunk), 0) AS id FROM blocks")
      .get();
    let lastChunk = Number(last?.id ?? 0);
    this.#tail = new BlockBuilder();
    this.#tailSinceMs = Date.now();
    const tail = this.#database.prepare("SELECT id, data FROM chunks WHERE id > ? ORDER BY id");
    for (const row of tail.iterate(lastChunk)) {
      lastChunk = Number(row.id);
      this.#tail.add(lastChunk, readSpans(row.data as Uint8Array));
    }
    // Readers count on ids that grow, also when everything was deleted.
    this.#nextChunk = Math.max(this.#nextChunk, lastChunk + 1);
  }

  #insert(splits: readonly SplitRequest[]): void {
    this.#transaction(() => {
      for (const chunk of splits.flatMap(({ chunks }) => chunks)) {
        const { traceId, digest, spans, data } = chunk;
        const { changes } = this.#statements.insertChunk.run(
          this.#nextChunk,
          Uint8Array.fromHex(traceId),
          digest,
          spans.length,
          data,
        );
        if (changes === 0) continue;
        if (this.#tail.spans === 0) this.#tailSinceMs = Date.now();
        this.#tail.add(this.#nextChunk++, spans);
        if (this.#tail.spans >= BLOCK_SPANS) this.#seal(Date.now());
      }
    });
  }

  /** Commits, or undoes everything, the tail in memory included. */
  #transaction(body: () => void): void {
    const nextChunk = this.#nextChunk;
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      body();
      this.#database.exec("COMMIT");
    } catch (error) {
      // A full disk may have rolled back by itself.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      this.#nextChunk = nextChunk;
      this.#readTail();
      throw error;
    }
  }

  #seal(nowMs: number): void {
    const tail = this.#tail;
    this.#statements.insertBlock.run(
      tail.firstChunk,
      tail.lastChunk,
      nowMs,
      tail.spans,
      tail.minStartNs,
      tail.maxStartNs,
      tail.maxEndNs,
      encodeBlock(tail.build()),
    );
    this.#tail = new BlockBuilder();
  }

  #forget(limits: RetentionLimits, nowMs: number): boolean {
    let excessBytes = this.#usedBytes() - limits.maxBytes;
    const oldest = this.#database.prepare(
      `SELECT id, last_chunk, sealed_ms, spans, length(summary) + (
         SELECT coalesce(sum(length(data) + 60), 0) FROM chunks
         WHERE id BETWEEN first_chunk AND last_chunk
       ) AS bytes FROM blocks ORDER BY id LIMIT ${BLOCKS_PER_RUN}`,
    );
    let lastBlock = 0;
    let lastChunk = 0;
    let count = 0;
    const forgotten = { age: 0, size: 0 };
    for (const row of oldest.iterate()) {
      const isOld = nowMs - Number(row.sealed_ms) > limits.maxAgeMs;
      if (!isOld && excessBytes <= 0) break;
      forgotten[isOld ? "age" : "size"] += Number(row.spans);
      excessBytes -= Number(row.bytes);
      lastBlock = Number(row.id);
      lastChunk = Number(row.last_chunk);
      count++;
    }
    if (count === 0) return false;
    this.#transaction(() => {
      this.#database.prepare("DELETE FROM chunks WHERE id <= ?").run(lastChunk);
      this.#database.prepare("DELETE FROM blocks WHERE id <= ?").run(lastBlock);
    });
    this.#forgottenSpans.age += forgotten.age;
    this.#forgottenSpans.size += forgotten.size;
    this.#database.exec("PRAGMA incremental_vacuum");
    return count === BLOCKS_PER_RUN;
  }
}

function splitOrError(bytes: Uint8Array): SplitRequest | OtlpError {
  try {
    return splitRequest(bytes);
  } catch (error) {
    if (error instanceof OtlpError) return error;
    throw error;
  }
}

function storeError(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error;
  if (isFull(error)) {
    return new StoreError(
      "full",
      `Cannot store spans: the disk of ${path} is full; free some space, or lower DYN_TRACES_MAX_MB`,
    );
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new StoreError("unavailable", `Cannot store spans in ${path}: ${reason}`);
}
