/** What a scheduler cannot do, said before it is tried. */

import { BLOCK_TOKENS } from "../engine/backend.ts";
import type { SequenceFailure, SequenceJob } from "../engine/engine.ts";

/** Why a job is not taken. */
export interface Refusal {
  readonly code: Exclude<SequenceFailure, "engine_failed">;
  readonly message: string;
}

export interface Capacity {
  readonly contextLength: number;
  readonly totalBlocks: number;
}

/** Throws a RangeError when a step of `maxBatchTokens` rows could starve prompts. */
export function checkStepRows(
  options: { readonly maxBatchTokens: number; readonly maxSequences: number },
): void {
  const { maxBatchTokens, maxSequences } = options;
  const needed = maxSequences + BLOCK_TOKENS;
  if (maxBatchTokens >= needed && maxSequences >= 1) return;
  throw new RangeError(
    `Cannot schedule ${maxSequences} sequences in steps of ${maxBatchTokens} rows: ` +
      `at least 1 sequence, and a row for each plus a block of ${BLOCK_TOKENS}, are needed; ` +
      `set maxBatchTokens to ${Math.max(needed, BLOCK_TOKENS + 1)} or more`,
  );
}

/** Refuses a job that would not fit even if it were alone. */
export function refuseTooLong(job: SequenceJob, capacity: Capacity): Refusal | null {
  const answer = job.kind === "prefill" ? 1 : job.maxTokens;
  const length = job.promptTokens.length + answer;
  const what = `Cannot fit ${job.promptTokens.length} prompt tokens and ${answer} generated ones`;
  if (length > capacity.contextLength) {
    return {
      code: "too_long",
      message: `${what} in a context of ${capacity.contextLength} tokens`,
    };
  }
  // The last generated token needs no KV.
  if (Math.ceil((length - 1) / BLOCK_TOKENS) > capacity.totalBlocks) {
    const cacheTokens = capacity.totalBlocks * BLOCK_TOKENS;
    return { code: "too_long", message: `${what} in a KV cache of ${cacheTokens} tokens` };
  }
  return null;
}
