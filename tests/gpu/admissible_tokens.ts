/**
 * Which tokens a correct device may choose.
 *
 * Devices round differently, so a choice that hangs on less than the rounding may go either way.
 * A token is admissible when logits that differ by at most `logitTolerance` from the reference's can
 * make it the choice. Almost always that is one token, and then the device has no freedom at all.
 */

import type { SampleParameters } from "../../shared/engine/backend.ts";
import { gumbel } from "../../shared/engine/sampling/gumbel.ts";
import {
  argmax,
  comparable,
  filterThreshold,
} from "../../shared/engine/sampling/sample_reference.ts";

/** What devices' own exp, log and sums add to the scores, and to the share that top-p compares. */
const SCORE_TOLERANCE = 1e-4;
const SHARE_TOLERANCE = 1e-5;

export interface Choice {
  readonly parameters: SampleParameters;
  /** Absolute position of the token to choose. */
  readonly position: number;
  /** Largest difference between the device's logits and the reference's. */
  readonly logitTolerance: number;
}

/** The ids that may be chosen from the reference's `logits` [vocab], in ascending order. */
export function admissibleTokens(logits: Float32Array, choice: Choice): number[] {
  const { parameters, position, logitTolerance } = choice;
  const { temperature, seed } = parameters;
  const largest = comparable(logits[argmax(logits)]);
  const ids = [...logits.keys()];
  if (temperature === 0) {
    return ids.filter((id) => comparable(logits[id]) >= largest - 2 * logitTolerance);
  }
  const { surelyKept, maybeKept } = keptThresholds(logits, choice);
  const score = (id: number) =>
    (comparable(logits[id]) - largest) / temperature + gumbel(seed, position, id);
  const contenders = ids.filter((id) => comparable(logits[id]) >= maybeKept);
  const scores = new Map(contenders.map((id) => [id, score(id)]));
  let toBeat = -Infinity;
  for (const [id, value] of scores) {
    if (comparable(logits[id]) >= Math.min(surelyKept, largest)) toBeat = Math.max(toBeat, value);
  }
  const scoreTolerance = 2 * logitTolerance / temperature + SCORE_TOLERANCE;
  return contenders.filter((id) => (scores.get(id) ?? -Infinity) >= toBeat - scoreTolerance);
}

function keptThresholds(
  logits: Float32Array,
  { parameters, logitTolerance }: Choice,
): { surelyKept: number; maybeKept: number } {
  const { temperature, topP } = parameters;
  const share = topP >= 1 ? 0 : SHARE_TOLERANCE + 2 * logitTolerance / temperature;
  const thresholdAt = (p: number) =>
    filterThreshold(logits, { ...parameters, topP: Math.min(1, Math.max(0, p)) });
  return {
    surelyKept: thresholdAt(topP - share) + 2 * logitTolerance,
    maybeKept: thresholdAt(topP + share) - 2 * logitTolerance,
  };
}
