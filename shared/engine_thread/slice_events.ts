/** A batch's slices: as the backend takes them, and as the events that tell what a step did. */

import type { BatchSlice } from "../scheduler/batch.ts";
import { BLOCK_TOKENS, type SequenceSlice } from "../engine/backend.ts";
import type { SequenceEvent } from "../engine/engine.ts";

/** The step that a slice was in. */
export interface SliceRun {
  readonly step: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly batchRows: number;
  /** Of the step's device time, or of its time where the device tells none. */
  readonly rowMs: number;
}

/** The slice as the backend computes it. */
export function toSequenceSlice(slice: BatchSlice): SequenceSlice {
  const { sequence, startPosition, tokens, isSampled } = slice;
  const blocks = Math.ceil((startPosition + tokens.length) / BLOCK_TOKENS);
  return {
    blockTable: sequence.blockTable.slice(0, blocks),
    startPosition,
    tokens,
    sample: isSampled ? sequence.job.sampling : null,
  };
}

/** What its sequence is told after the step was committed: a chunk, a token, or both in this order. */
export function sliceEvents(slice: BatchSlice, run: SliceRun): SequenceEvent[] {
  const { step, startMs, endMs, batchRows, rowMs } = run;
  const { sequence, startPosition, isDecode, isSampled } = slice;
  const events: SequenceEvent[] = [];
  if (!isDecode) {
    const tokens = slice.tokens.length;
    const computeMs = rowMs * tokens;
    events.push({ type: "chunk", startPosition, tokens, step, startMs, endMs, computeMs });
  }
  if (isSampled) {
    const id = sequence.tokens[sequence.tokens.length - 1];
    const index = sequence.generatedTokens - 1;
    const computeMs = isDecode ? rowMs : 0;
    events.push({ type: "token", index, id, step, batchRows, atMs: endMs, computeMs });
  }
  return events;
}
