/**
 * How a token is chosen: the definition that every backend follows, in plain code.
 *
 * 1. NaN counts as the lowest finite number, infinities as the largest ones.
 * 2. `temperature` 0 takes the largest logit, the lowest id among equal ones.
 * 3. Top-k keeps the tokens whose logit is at least the k-th largest; 0 keeps all.
 * 4. Top-p keeps, of those, the tokens whose logit is at least t: the largest t at which their share
 *    of the softmax (at the temperature) reaches p.
 * 5. The largest `logit / temperature + gumbel` wins, the lowest id among equal ones.
 *
 * Equal logits are kept or dropped together, so the filters are one threshold and need no order.
 */

import type { SampleParameters } from "../backend.ts";
import { gumbel, GUMBEL_RANGE } from "./gumbel.ts";

const LARGEST_FLOAT = 3.4028234663852886e38;

/** Throws a RangeError that names the parameter which no backend can sample with. */
export function checkSampleParameters(parameters: SampleParameters): void {
  const { temperature, topK, topP, seed } = parameters;
  if (!(temperature >= 0 && temperature <= LARGEST_FLOAT)) {
    throw new RangeError(`Cannot sample at temperature ${temperature}: it must be 0 or more`);
  }
  if (!Number.isSafeInteger(topK) || topK < 0) {
    throw new RangeError(`Cannot sample with topK ${topK}: it must be a whole number, 0 for all`);
  }
  if (!(topP >= 0 && topP <= 1)) {
    throw new RangeError(`Cannot sample with topP ${topP}: it must be from 0 to 1`);
  }
  if (!Number.isSafeInteger(seed)) {
    throw new RangeError(`Cannot sample with seed ${seed}: it must be a whole number`);
  }
}

/**
 * Chooses the token at `position` (its own absolute position) from `logits` [vocab].
 * Throws a RangeError on parameters out of range.
 */
export function sampleReference(
  logits: Float32Array,
  parameters: SampleParameters,
  position: number,
): number {
  checkSampleParameters(parameters);
  if (parameters.temperature === 0) return argmax(logits);
  const threshold = filterThreshold(logits, parameters);
  const largest = comparable(logits[argmax(logits)]);
  let best = -1;
  let bestScore = -Infinity;
  for (let token = 0; token < logits.length; token++) {
    const logit = comparable(logits[token]);
    if (logit < threshold) continue;
    const scaled = (logit - largest) / parameters.temperature;
    // The largest logit scores at least `lowest`, so this token cannot pass it.
    if (scaled < GUMBEL_RANGE.lowest - GUMBEL_RANGE.highest) continue;
    const score = scaled + gumbel(parameters.seed, position, token);
    if (score > bestScore) {
      best = token;
      bestScore = score;
    }
  }
  return best;
}

/** The id of the largest of `logits` [vocab], the lowest one among equals. */
export function argmax(logits: Float32Array): number {
  let best = 0;
  for (let token = 1; token < logits.length; token++) {
    if (comparable(logits[token]) > comparable(logits[best])) best = token;
  }
  return best;
}

/** The lowest logit that top-k and top-p keep at a temperature above 0; -Infinity without filters. */
export function filterThreshold(logits: Float32Array, parameters: SampleParameters): number {
  const { temperature, topK, topP } = parameters;
  const hasTopK = topK > 0 && topK < logits.length;
  if (!hasTopK && topP >= 1) return -Infinity;
  const descending = logits.map(comparable).sort().reverse();
  const kthLargest = hasTopK ? descending[topK - 1] : -Infinity;
  if (topP >= 1) return kthLargest;
  const kept = descending.filter((logit) => logit >= kthLargest);
  const weights = Array.from(kept, (logit) => Math.exp((logit - kept[0]) / temperature));
  const target = topP * weights.reduce((sum, weight) => sum + weight, 0);
  let mass = 0;
  let last = 0;
  while ((mass += weights[last]) < target && last < kept.length - 1) last++;
  return kept[last];
}

/** A logit as it is compared: an ordinary number, whatever the kernel that made it did wrong. */
export function comparable(logit: number): number {
  if (Number.isNaN(logit)) return -LARGEST_FLOAT;
  return Math.min(Math.max(logit, -LARGEST_FLOAT), LARGEST_FLOAT);
}
