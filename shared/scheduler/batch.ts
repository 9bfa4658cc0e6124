/** What one step computes: slices of several sequences, decode rows and prefill chunks alike. */

import type { Sequence } from "./sequence.ts";

export interface BatchSlice {
  readonly sequence: Sequence;
  readonly startPosition: number;
  readonly tokens: readonly number[];
  /** Whether the token after the last one is to be sampled. */
  readonly isSampled: boolean;
  readonly isDecode: boolean;
}

/** A sequence that lost its blocks. */
export interface Preemption {
  readonly sequence: Sequence;
  /** The older one that needed them; itself where it found none for its own next token. */
  readonly by: Sequence;
}

export class Batch {
  readonly slices: BatchSlice[] = [];
  /** Sequences that got their blocks for this step. */
  readonly admitted: Sequence[] = [];
  readonly preempted: Preemption[] = [];
  readonly #maxRows: number;
  #prefillRows = 0;
  #decodeRows = 0;

  constructor(maxRows: number) {
    this.#maxRows = maxRows;
  }

  get prefillRows(): number {
    return this.#prefillRows;
  }

  get decodeRows(): number {
    return this.#decodeRows;
  }

  get rows(): number {
    return this.#prefillRows + this.#decodeRows;
  }

  get rowsLeft(): number {
    return this.#maxRows - this.rows;
  }

  /** Adds the next `count` tokens of a sequence. */
  add(sequence: Sequence, count: number): void {
    const startPosition = sequence.computedTokens;
    const end = startPosition + count;
    const isDecode = sequence.isDecoding;
    if (isDecode) this.#decodeRows += count;
    else this.#prefillRows += count;
    this.slices.push({
      sequence,
      startPosition,
      tokens: sequence.tokens.slice(startPosition, end),
      isSampled: end === sequence.tokens.length && sequence.isSampledNext,
      isDecode,
    });
  }
}
