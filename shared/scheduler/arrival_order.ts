/** Lists of sequences, the oldest first. */

import type { Sequence } from "./sequence.ts";

/** Takes the sequence out, where it is in. */
export function removeFrom(list: Sequence[], sequence: Sequence): void {
  const index = list.indexOf(sequence);
  if (index >= 0) list.splice(index, 1);
}

/** Puts the sequence in its place. */
export function insertByArrival(list: Sequence[], sequence: Sequence): void {
  const index = list.findLastIndex(({ arrival }) => arrival < sequence.arrival);
  list.splice(index + 1, 0, sequence);
}
