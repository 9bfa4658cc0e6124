/** Jobs come from other machines: what no scheduler or kernel should see is refused here. */

import type { ModelShape } from "../weights/model_file.ts";
import type { SequenceJob } from "../engine/engine.ts";
import { checkSampleParameters } from "../engine/sampling/sample_reference.ts";

/** Throws a RangeError that names the field when a job cannot be run by any engine of this model. */
export function checkJob(job: SequenceJob, shape: ModelShape): void {
  const { promptTokens, maxTokens, stopTokenIds } = job;
  if (promptTokens.length === 0) throw refusal(job, "its prompt has no tokens");
  for (const id of [...promptTokens, ...stopTokenIds]) {
    if (!isTokenId(id, shape)) {
      throw refusal(job, `token id ${id} is outside the vocabulary of ${shape.vocab}`);
    }
  }
  if (!isInteger(maxTokens, 1)) throw refusal(job, `maxTokens ${maxTokens} is not at least 1`);
  checkSampleParameters(job.sampling);
}

/** Whether `id` is one of the model's tokens. */
export function isTokenId(id: number, shape: ModelShape): boolean {
  return isInteger(id, 0, shape.vocab - 1);
}

function isInteger(value: number, min: number, max = Number.MAX_SAFE_INTEGER): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

function refusal(job: SequenceJob, problem: string): RangeError {
  return new RangeError(`Cannot submit sequence "${job.sequenceId}": ${problem}`);
}
