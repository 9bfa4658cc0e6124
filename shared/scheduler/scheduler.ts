/**
 * Which tokens the next step computes, and which blocks they live in.
 *
 * Continuous batching with chunked prefill. A step takes the newest token of every decoding sequence,
 * then prompt chunks in order of arrival, then admits waiting sequences, until its rows are used up.
 * `maxBatchTokens` must exceed `maxSequences` by a block, so that however many sequences decode, the
 * oldest prompt advances in every step.
 *
 * Blocks are reserved for the prompt and grow as tokens come; answers are not reserved in advance, since
 * a client that names no limit asks for the whole context and would have the cache to itself. When the
 * cache runs out, the youngest sequence gives up its blocks and is computed again later: rows do not
 * depend on the batch, so its text stays the same. Nothing can block for ever: a job that would not fit
 * alone is refused, so the oldest sequence always proceeds, and every other one becomes the oldest.
 * Admission leaves one block for each sequence that may grow, and stops at the first sequence whose
 * blocks do not fit, so that small jobs cannot starve a large one. A sequence that imports its KV needs
 * no rows and may pass ones that wait for rows only.
 *
 * A preempted sequence comes back by computing, whatever it was: KV that it imported is not asked for
 * twice, and what is still under way is ignored.
 */

import { BLOCK_TOKENS } from "../engine/backend.ts";
import type { EngineLoad } from "../engine/engine.ts";
import { insertByArrival, removeFrom } from "./arrival_order.ts";
import { Batch } from "./batch.ts";
import { BlockManager } from "./block_manager.ts";
import { type Capacity, checkStepRows, type Refusal, refuseTooLong } from "./limits.ts";
import type { Sequence } from "./sequence.ts";

export interface SchedulerOptions extends Capacity {
  /** Rows of one step. */
  readonly maxBatchTokens: number;
  /** Sequences that hold blocks at a time. */
  readonly maxSequences: number;
  /** Sequences that may wait beyond those that the free places of `maxSequences` take. */
  readonly queueLimit: number;
}

/** Where imported KV goes. */
export interface ImportPlacement {
  /** Leading blocks of the import that need not be written. */
  readonly skippedBlocks: number;
  /** Physical blocks of the rest. */
  readonly blocks: readonly number[];
}

/** A call that does not fit the sequence's kind or phase. */
export class SequenceStateError extends Error {
  override name = "SequenceStateError";
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #blocks: BlockManager;
  /** Oldest first. */
  readonly #waiting: Sequence[] = [];
  /** Those that hold blocks, oldest first. */
  readonly #running: Sequence[] = [];
  #arrivals = 0;

  constructor(options: SchedulerOptions) {
    checkStepRows(options);
    this.#options = options;
    this.#blocks = new BlockManager({ totalBlocks: options.totalBlocks });
  }

  get load(): EngineLoad {
    const sequences = [...this.#running, ...this.#waiting];
    return {
      runningSequences: this.#running.length,
      waitingSequences: this.#waiting.length,
      pendingPromptTokens: sequences.reduce((sum, each) => sum + each.pendingPromptTokens, 0),
      usedBlocks: this.#blocks.usedBlocks,
      totalBlocks: this.#blocks.totalBlocks,
    };
  }

  /** Queues a sequence. Returns why not when it is refused. */
  add(sequence: Sequence): Refusal | null {
    const refusal = refuseTooLong(sequence.job, this.#options) ?? this.#refuseOverload();
    if (refusal !== null) return refusal;
    sequence.arrival = this.#arrivals++;
    this.#waiting.push(sequence);
    return null;
  }

  /**
   * Chooses the next step. Reports its result with `commit`, and `remove` sequences that finished,
   * before the next call.
   */
  schedule(): Batch {
    const batch = new Batch(this.#options.maxBatchTokens);
    for (const sequence of [...this.#running]) {
      if (sequence.isDecoding && this.#grow(sequence, batch)) batch.add(sequence, 1);
    }
    for (const sequence of this.#running) {
      if (sequence.phase === "running" && !sequence.isDecoding) this.#addChunk(sequence, batch);
    }
    this.#admit(batch);
    return batch;
  }

  /**
   * Takes in a step's result: the sampled token of each slice, null where none was asked for. Sequences
   * that reach their end are `finished` and keep their blocks until they are removed.
   */
  commit(batch: Batch, sampled: readonly (number | null)[]): void {
    batch.slices.forEach(({ sequence, startPosition, tokens, isSampled }, index) => {
      sequence.computedTokens = startPosition + tokens.length;
      this.#cacheFullBlocks(sequence);
      const token = sampled[index] ?? null;
      if ((token !== null) !== isSampled) {
        throw new Error(
          `Cannot commit slice ${index} of "${sequence.job.sequenceId}": ` +
            (isSampled ? "the backend sampled no token" : "no token was to be sampled"),
        );
      }
      if (token !== null) sequence.append(token);
    });
  }

  /**
   * Places KV of prompt blocks that comes from elsewhere. Blocks that the prefix cache holds, and all
   * blocks of a sequence that was preempted, are not written. Throws a SequenceStateError where no
   * import can be.
   */
  placeImport(sequence: Sequence, firstBlock: number, blockCount: number): ImportPlacement {
    const what = `Cannot import KV into "${sequence.job.sequenceId}"`;
    requireNotBegun(sequence, what);
    const end = firstBlock + blockCount;
    if (!Number.isInteger(firstBlock) || firstBlock < 0 || end > sequence.promptBlocks) {
      throw new SequenceStateError(
        `${what}: blocks ${firstBlock} to ${
          end - 1
        } are not among its ${sequence.promptBlocks} prompt blocks`,
      );
    }
    if (sequence.phase !== "importing") return { skippedBlocks: blockCount, blocks: [] };
    const start = Math.min(end, Math.max(firstBlock, sequence.prefix.length));
    for (let block = start; block < end; block++) sequence.awaitedBlocks.delete(block);
    return {
      skippedBlocks: start - firstBlock,
      blocks: sequence.blockTable.slice(start, end),
    };
  }

  /** Starts a `decode` sequence from its first token. Throws a SequenceStateError when KV is missing. */
  begin(sequence: Sequence, firstToken: number): void {
    const what = `Cannot begin "${sequence.job.sequenceId}"`;
    requireNotBegun(sequence, what);
    if (sequence.awaitedBlocks.size > 0) {
      throw new SequenceStateError(
        `${what}: KV of ${sequence.awaitedBlocks.size} of its ${sequence.promptBlocks} prompt blocks is missing`,
      );
    }
    if (sequence.phase === "importing") {
      sequence.phase = "running";
      sequence.isImported = false;
      sequence.computedTokens = sequence.promptLength;
      this.#cacheFullBlocks(sequence);
    }
    sequence.append(firstToken);
  }

  /** Forgets a sequence, whatever its phase, and gives up its blocks. */
  remove(sequence: Sequence): void {
    removeFrom(this.#waiting, sequence);
    removeFrom(this.#running, sequence);
    this.#releaseBlocks(sequence);
    sequence.phase = "finished";
  }

  #refuseOverload(): Refusal | null {
    const places = this.#options.maxSequences + this.#options.queueLimit;
    if (this.#running.length + this.#waiting.length < places) return null;
    return {
      code: "overloaded",
      message: `Cannot queue another sequence: ${this.#running.length} run and ` +
        `${this.#waiting.length} wait already`,
    };
  }

  #admit(batch: Batch): void {
    for (const sequence of [...this.#waiting]) {
      if (this.#running.length >= this.#options.maxSequences) return;
      if (!sequence.isImported && batch.rowsLeft < BLOCK_TOKENS) continue;
      if (!this.#reserve(sequence)) return;
      removeFrom(this.#waiting, sequence);
      insertByArrival(this.#running, sequence);
      batch.admitted.push(sequence);
      if (sequence.phase === "running") this.#addChunk(sequence, batch);
    }
  }

  /** Gives a waiting sequence the blocks of all its tokens, cached ones where there are. */
  #reserve(sequence: Sequence): boolean {
    const length = sequence.tokens.length;
    const neededBlocks = Math.ceil(length / BLOCK_TOKENS);
    // The row that samples the next token is computed even where its KV is cached.
    const mustCompute = sequence.isSampledNext ? 1 : 0;
    const maxCached = Math.floor((length - mustCompute) / BLOCK_TOKENS);
    const prefix = this.#blocks.findPrefix(sequence, maxCached);
    const newBlocks = neededBlocks - prefix.length;
    // One for each that may grow; so a victim is not let in again in place of what it was given up for.
    const growing = this.#running.filter(({ job }) => job.kind !== "prefill").length;
    const taken = newBlocks + this.#blocks.countKept(prefix) + growing;
    if (taken > this.#blocks.availableBlocks) return false;

    this.#blocks.hold(prefix);
    sequence.prefix = prefix;
    sequence.blockTable = prefix.map(({ block }) => block);
    while (sequence.blockTable.length < neededBlocks) this.#appendBlock(sequence);
    const cachedTokens = prefix.length * BLOCK_TOKENS;
    if (sequence.reservations === 0) sequence.cachedTokens = cachedTokens;
    sequence.reservations++;
    if (sequence.isImported) {
      sequence.phase = "importing";
      for (let block = prefix.length; block < neededBlocks; block++) {
        sequence.awaitedBlocks.add(block);
      }
    } else {
      sequence.phase = "running";
      sequence.computedTokens = cachedTokens;
    }
    return true;
  }

  #addChunk(sequence: Sequence, batch: Batch): void {
    const count = sequence.chunkTokens(batch.rowsLeft);
    if (count > 0) batch.add(sequence, count);
  }

  /**
   * Makes room for a decoding sequence's next token, at the cost of the youngest ones. Returns false
   * when the sequence itself was the youngest. Victims are never in the batch: it holds older ones.
   */
  #grow(sequence: Sequence, batch: Batch): boolean {
    if (sequence.computedTokens < sequence.blockTable.length * BLOCK_TOKENS) return true;
    while (!this.#appendBlock(sequence)) {
      const victim = this.#running.at(-1) ?? sequence;
      this.#preempt(victim);
      batch.preempted.push({ sequence: victim, by: sequence });
      if (victim === sequence) return false;
    }
    return true;
  }

  #appendBlock(sequence: Sequence): boolean {
    const block = this.#blocks.allocate();
    if (block === null) return false;
    sequence.blockTable.push(block);
    return true;
  }

  #preempt(victim: Sequence): void {
    removeFrom(this.#running, victim);
    this.#releaseBlocks(victim);
    victim.phase = "waiting";
    victim.computedTokens = 0;
    victim.isImported = false;
    victim.awaitedBlocks.clear();
    insertByArrival(this.#waiting, victim);
  }

  #releaseBlocks(sequence: Sequence): void {
    this.#blocks.release(sequence.blockTable);
    sequence.blockTable = [];
    sequence.prefix = [];
  }

  /** Makes blocks that became full findable; a block that another sequence has too is shared. */
  #cacheFullBlocks(sequence: Sequence): void {
    const fullBlocks = Math.floor(sequence.computedTokens / BLOCK_TOKENS);
    for (let index = sequence.prefix.length; index < fullBlocks; index++) {
      const start = index * BLOCK_TOKENS;
      const cached = this.#blocks.cache(sequence.blockTable[index], {
        parent: sequence.prefix.at(-1) ?? null,
        tokens: sequence.tokens.slice(start, start + BLOCK_TOKENS),
      });
      if (cached === null) return;
      sequence.blockTable[index] = cached.block;
      sequence.prefix.push(cached);
    }
  }
}

/** Throws unless this is a `decode` sequence that had its blocks and has no first token yet. */
function requireNotBegun(sequence: Sequence, what: string): void {
  const { kind } = sequence.job;
  if (kind !== "decode") {
    throw new SequenceStateError(`${what}: it is a ${kind} sequence, not a decode one`);
  }
  if (sequence.reservations === 0) {
    throw new SequenceStateError(`${what}: wait for its "scheduled" event`);
  }
  if (sequence.generatedTokens > 0) throw new SequenceStateError(`${what}: it has begun`);
}
