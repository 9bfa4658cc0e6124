/** Logits and parameters that sampling is tested with. */

import type { SampleParameters } from "../../shared/engine/backend.ts";

export const VOCABULARIES = [1, 7, 255, 1009, 32_000, 49_152, 50_257, 262_144];

/** Every kind of parameters. */
export const SETTINGS: readonly Omit<SampleParameters, "seed">[] = [
  { temperature: 1, topK: 0, topP: 1 },
  { temperature: 0.2, topK: 0, topP: 1 },
  { temperature: 2, topK: 0, topP: 1 },
  { temperature: 1, topK: 1, topP: 1 },
  { temperature: 0.7, topK: 40, topP: 1 },
  { temperature: 1, topK: 5000, topP: 1 },
  { temperature: 1, topK: 1e9, topP: 1 },
  { temperature: 1, topK: 0, topP: 0 },
  { temperature: 1, topK: 0, topP: 1e-6 },
  { temperature: 1, topK: 0, topP: 0.5 },
  { temperature: 0.8, topK: 0, topP: 0.95 },
  { temperature: 1.5, topK: 0, topP: 0.9999 },
  { temperature: 0.9, topK: 100, topP: 0.9 },
  { temperature: 1.2, topK: 2, topP: 0.6 },
  { temperature: 1e-6, topK: 0, topP: 0.9 },
  { temperature: 1e30, topK: 0, topP: 0.9 },
];

/** Normally distributed logits, fixed for a salt. */
export function normalRow(
  vocab: number,
  { salt, deviation }: { salt: number; deviation: number },
): Float32Array {
  let state = salt * 7919 + 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Float32Array.from({ length: vocab }, () => {
    return deviation * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  });
}

/** 1 at the given ids, 0 elsewhere. */
export function peaks(vocab: number, ids: readonly number[]): Float32Array {
  const row = new Float32Array(vocab);
  for (const id of ids) row[id] = 1;
  return row;
}
