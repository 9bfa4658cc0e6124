/**
 * Generates texts with a backend, alone or together: continuous batching at its plainest.
 *
 * Each step takes one slice of every running sequence, a prompt chunk or a decode row, and admits one
 * waiting sequence. So with several together, rows of all kinds and ages share the steps.
 */

import { type Backend, BLOCK_TOKENS, type SequenceSlice } from "../../shared/engine/backend.ts";
import type { TextJob } from "./reference_text.ts";

export interface RunOptions {
  /** Sequences that may run at the same time. */
  readonly together: number;
  /** Prompt tokens that one step may take of a sequence. */
  readonly chunkTokens: number;
  /**
   * Called with each sampled token; returns the token to go on with, or null to end the sequence.
   * `index` counts the job's generated tokens from 0.
   */
  readonly onToken: (job: TextJob, index: number, token: number) => number | null;
}

/** Runs all jobs to their ends. */
export async function runTexts(
  backend: Backend,
  jobs: readonly TextJob[],
  { together, chunkTokens, onToken }: RunOptions,
): Promise<void> {
  // Highest first and given back in any order: tables are neither ascending nor contiguous.
  const freeBlocks = Array.from({ length: backend.limits.totalBlocks }, (_, block) => block);
  const waiting = [...jobs];
  let running: Run[] = [];
  while (waiting.length > 0 || running.length > 0) {
    const next = running.length < together ? waiting.shift() : undefined;
    if (next !== undefined) running.push(new Run(next, freeBlocks));
    const slices = running.map((run) => run.nextSlice(chunkTokens));
    const result = await backend.step(slices);
    running = running.filter((run, index) => {
      const { token } = result.slices[index];
      run.advance(slices[index].tokens.length);
      if (token === null) return true;
      const accepted = onToken(run.job, run.generated, token);
      if (accepted !== null) run.append(accepted);
      else freeBlocks.push(...run.blockTable);
      return accepted !== null;
    });
  }
}

class Run {
  readonly job: TextJob;
  readonly blockTable: readonly number[];
  readonly #tokens: number[];
  #computed = 0;

  constructor(job: TextJob, freeBlocks: number[]) {
    this.job = job;
    this.#tokens = [...job.promptTokens];
    const positions = job.promptTokens.length + job.maxTokens;
    this.blockTable = freeBlocks.splice(-Math.ceil(positions / BLOCK_TOKENS));
  }

  get generated(): number {
    return this.#tokens.length - this.job.promptTokens.length;
  }

  nextSlice(chunkTokens: number): SequenceSlice {
    const startPosition = this.#computed;
    const end = Math.min(startPosition + chunkTokens, this.#tokens.length);
    return {
      blockTable: this.blockTable.slice(0, Math.ceil(end / BLOCK_TOKENS)),
      startPosition,
      tokens: this.#tokens.slice(startPosition, end),
      sample: end === this.#tokens.length ? this.job.sampling : null,
    };
  }

  advance(tokens: number): void {
    this.#computed += tokens;
  }

  append(token: number): void {
    this.#tokens.push(token);
  }
}
