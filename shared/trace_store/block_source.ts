/** The blocks of a database, as queries see them: sealed ones through a cache, and the tail. */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { readSpans } from "../otlp/mod.ts";
import { type Block, decodeBlock } from "./block.ts";
import { BlockBuilder } from "./block_builder.ts";

export interface BlockHead {
  /** 0 of the tail. */
  readonly id: number;
  readonly firstChunk: number;
  readonly minStartNs: bigint;
  readonly maxStartNs: bigint;
  readonly maxEndNs: bigint;
}

export interface TimeRange {
  readonly startNs: bigint;
  readonly endNs: bigint;
}

/** Spans of one trace lie no further apart, as far as a search in a range of time looks. */
const TRACE_SPREAD_NS = 3_600_000_000_000n;

/** The range in which the other spans of a trace are looked for that has one in `range`. */
export function widen({ startNs, endNs }: TimeRange): TimeRange {
  return { startNs: startNs - TRACE_SPREAD_NS, endNs: endNs + TRACE_SPREAD_NS };
}

export interface ChunkRow {
  readonly traceId: string;
  readonly data: Uint8Array;
}

/** About what blocks of a million spans take. */
const CACHE_BYTES = 96 * 1024 * 1024;

export class BlockSource {
  readonly #heads: StatementSync;
  readonly #summary: StatementSync;
  readonly #tailRows: StatementSync;
  readonly #chunk: StatementSync;
  readonly #traceId: StatementSync;
  readonly #trace: StatementSync;
  /** Least recently used first. */
  readonly #cache = new Map<number, { readonly block: Block; readonly bytes: number }>();
  #cachedBytes = 0;
  #tail = new BlockBuilder();
  /** The last chunk that is in a block, and the last that the tail has. */
  #sealedChunk = 0;
  #tailChunk = 0;
  #tailBlock: Block | null = null;

  constructor(database: DatabaseSync) {
    this.#heads = database.prepare(
      `SELECT id, first_chunk, last_chunk, min_start_ns, max_start_ns, max_end_ns FROM blocks
       ORDER BY max_start_ns DESC`,
    );
    this.#heads.setReadBigInts(true);
    this.#summary = database.prepare("SELECT summary FROM blocks WHERE id = ?");
    this.#tailRows = database.prepare("SELECT id, data FROM chunks WHERE id > ? ORDER BY id");
    this.#chunk = database.prepare("SELECT trace_id, data FROM chunks WHERE id = ?");
    this.#traceId = database.prepare("SELECT trace_id FROM chunks WHERE id = ?");
    this.#trace = database.prepare("SELECT data FROM chunks WHERE trace_id = ? ORDER BY id");
  }

  /** Blocks with spans in the range, by their latest start, the tail among them. */
  heads(range?: TimeRange): BlockHead[] {
    const rows = this.#heads.all();
    let sealedChunk = 0;
    const heads: BlockHead[] = rows.map((row) => {
      sealedChunk = Math.max(sealedChunk, Number(row.last_chunk));
      return {
        id: Number(row.id),
        firstChunk: Number(row.first_chunk),
        minStartNs: row.min_start_ns as bigint,
        maxStartNs: row.max_start_ns as bigint,
        maxEndNs: row.max_end_ns as bigint,
      };
    });
    this.#readTail(sealedChunk);
    if (this.#tail.spans > 0) {
      const { firstChunk, minStartNs, maxStartNs, maxEndNs } = this.#tail;
      heads.push({ id: 0, firstChunk, minStartNs, maxStartNs, maxEndNs });
      heads.sort((a, b) =>
        a.maxStartNs === b.maxStartNs ? 0 : a.maxStartNs < b.maxStartNs ? 1 : -1
      );
    }
    return range === undefined
      ? heads
      : heads.filter((head) => head.minStartNs <= range.endNs && head.maxEndNs >= range.startNs);
  }

  /** Undefined when the block was forgotten since. */
  block(head: BlockHead): Block | undefined {
    if (head.id === 0) return this.#tailBlock ??= this.#tail.build();
    const cached = this.#cache.get(head.id);
    if (cached !== undefined) {
      this.#cache.delete(head.id);
      this.#cache.set(head.id, cached);
      return cached.block;
    }
    const row = this.#summary.get(head.id);
    if (row === undefined) return undefined;
    const summary = row.summary as Uint8Array;
    const block = decodeBlock(summary);
    this.#cache.set(head.id, { block, bytes: summary.length });
    this.#cachedBytes += summary.length;
    for (const [id, { bytes }] of this.#cache) {
      if (this.#cachedBytes <= CACHE_BYTES) break;
      this.#cache.delete(id);
      this.#cachedBytes -= bytes;
    }
    return block;
  }

  /** The trace that a chunk is of; undefined when it was forgotten since. */
  traceIdOf(chunkId: number): string | undefined {
    const row = this.#traceId.get(chunkId);
    return row === undefined ? undefined : (row.trace_id as Uint8Array).toHex();
  }

  /** Undefined when the chunk was forgotten since. */
  chunk(id: number): ChunkRow | undefined {
    const row = this.#chunk.get(id);
    if (row === undefined) return undefined;
    return { traceId: (row.trace_id as Uint8Array).toHex(), data: row.data as Uint8Array };
  }

  /** The chunks of a trace in order of their arrival. */
  traceChunks(traceId: string): Uint8Array[] {
    return this.#trace.all(Uint8Array.fromHex(traceId)).map((row) => row.data as Uint8Array);
  }

  #readTail(sealedChunk: number): void {
    if (sealedChunk !== this.#sealedChunk) {
      this.#sealedChunk = sealedChunk;
      this.#tailChunk = sealedChunk;
      this.#tail = new BlockBuilder();
      this.#tailBlock = null;
    }
    for (const row of this.#tailRows.iterate(this.#tailChunk)) {
      this.#tailChunk = Number(row.id);
      this.#tail.add(this.#tailChunk, readSpans(row.data as Uint8Array));
      this.#tailBlock = null;
    }
  }
}
