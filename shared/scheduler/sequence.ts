/** One sequence's state as the scheduler keeps it: counters and the table of its blocks. */

import { BLOCK_TOKENS } from "../engine/backend.ts";
import type { SequenceJob } from "../engine/engine.ts";
import type { CachedBlock } from "./block_manager.ts";

/**
 * - `waiting`: holds no blocks.
 * - `importing`: holds blocks that someone else fills; only `decode` sequences.
 * - `running`: holds blocks and is computed.
 * - `finished`: computed to its end; holds its blocks until it is removed.
 */
export type SequencePhase = "waiting" | "importing" | "running" | "finished";

export type FinishReason = "stop" | "length";

export class Sequence {
  readonly job: SequenceJob;
  /** The prompt, then the generated tokens. */
  readonly tokens: number[];
  /** Kept, since a sequence that waits is looked up before every step. See HashedTokens. */
  readonly blockHashes: string[] = [];
  phase: SequencePhase = "waiting";
  /** Order of submission: the lower, the older. */
  arrival = 0;
  /** Tokens at the head of `tokens` whose KV is in the blocks. */
  computedTokens = 0;
  /** Prompt tokens that the prefix cache held when blocks were first reserved. */
  cachedTokens = 0;
  /** How often blocks were reserved: more than once after a preemption. */
  reservations = 0;
  /** Physical block of each BLOCK_TOKENS positions. */
  blockTable: number[] = [];
  /** The findable blocks at the head of `blockTable`: shared, full, never written to. */
  prefix: CachedBlock[] = [];
  /** The prompt's KV comes from another worker, not from computing. A preemption ends that. */
  isImported: boolean;
  /** Prompt blocks that an importing sequence still waits for. */
  readonly awaitedBlocks = new Set<number>();
  finishReason: FinishReason | null = null;

  constructor(job: SequenceJob) {
    this.job = job;
    this.tokens = [...job.promptTokens];
    this.isImported = job.kind === "decode";
  }

  get promptLength(): number {
    return this.job.promptTokens.length;
  }

  get promptBlocks(): number {
    return Math.ceil(this.promptLength / BLOCK_TOKENS);
  }

  get generatedTokens(): number {
    return this.tokens.length - this.promptLength;
  }

  /** Whether a token is to be sampled after the last one. A `decode` sequence is given its first. */
  get isSampledNext(): boolean {
    return this.job.kind !== "decode" || this.generatedTokens > 0;
  }

  /** Whether the next row is the newest generated token alone. */
  get isDecoding(): boolean {
    return this.phase === "running" && this.generatedTokens > 0 &&
      this.computedTokens === this.tokens.length - 1;
  }

  /** Prompt tokens that this worker has yet to compute. */
  get pendingPromptTokens(): number {
    return this.isImported ? 0 : Math.max(0, this.promptLength - this.computedTokens);
  }

  /** Prompt blocks whose KV is complete: those that end at or before the last computed token. */
  get computedPromptBlocks(): number {
    if (this.computedTokens >= this.promptLength) return this.promptBlocks;
    return Math.floor(this.computedTokens / BLOCK_TOKENS);
  }

  /**
   * Tokens of the next chunk when a step has room for `maxRows`. A chunk ends at the sequence's end or
   * at a block's, so that the blocks before its end are whole; 0 when not even one block fits.
   */
  chunkTokens(maxRows: number): number {
    const reserved = this.blockTable.length * BLOCK_TOKENS;
    let end = Math.min(this.tokens.length, this.computedTokens + maxRows, reserved);
    if (end < this.tokens.length) end -= end % BLOCK_TOKENS;
    return Math.max(0, end - this.computedTokens);
  }

  /** Takes in a generated token, which may be the last. */
  append(token: number): void {
    this.tokens.push(token);
    const reason = this.#finishReason(token);
    if (reason === null) return;
    this.finishReason = reason;
    this.phase = "finished";
  }

  #finishReason(token: number): FinishReason | null {
    const { kind, maxTokens, stopTokenIds } = this.job;
    if (stopTokenIds.includes(token)) return "stop";
    if (kind === "prefill" || this.generatedTokens >= maxTokens) return "length";
    return null;
  }
}
