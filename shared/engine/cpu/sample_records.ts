/** What `kernels/sample.as` reads for each row that samples. */

import type { SampleParameters } from "../backend.ts";
import { seedWords } from "../sampling/gumbel.ts";
import { checkSampleParameters } from "../sampling/sample_reference.ts";

/** Parameters, and room for the kernel's own use. */
export const SAMPLE_RECORD_BYTES = 64;

export interface SampledRow {
  readonly parameters: SampleParameters;
  /** Absolute position of the token to choose. */
  readonly position: number;
}

/** Writes one record a row. Throws a RangeError on parameters out of range. */
export function writeSampleRecords(
  memory: WebAssembly.Memory,
  address: number,
  rows: readonly SampledRow[],
): void {
  for (const [i, { parameters, position }] of rows.entries()) {
    checkSampleParameters(parameters);
    const { temperature, topK, topP, seed } = parameters;
    const at = address + i * SAMPLE_RECORD_BYTES;
    new Float64Array(memory.buffer, at, 2).set([temperature, topP]);
    const words = [...seedWords(seed), position, Math.min(topK, 0xffffffff)];
    new Uint32Array(memory.buffer, at + 16, 4).set(words);
  }
}
