/** What the times after each operation of a step say about its passes. */

import type { PassTime } from "../backend.ts";
import { joinSections, type Section, type TimedSection } from "../pass_times.ts";
import type { LlamaProgram } from "./llama_program.ts";
import type { Operation } from "./program.ts";

const LAYER_SECTIONS: Readonly<Record<Operation["kind"], Section>> = {
  embed: { name: "embed" },
  linear: { name: "layers", kind: "linear" },
  attend: { name: "layers", kind: "attention" },
  mergeAttention: { name: "layers", kind: "attention" },
  normalise: { name: "layers", kind: "other" },
  rotateAndStore: { name: "layers", kind: "other" },
  swiglu: { name: "layers", kind: "other" },
  sample: { name: "sample" },
};

/** The section of each operation of a whole step. */
export function sectionsOf({ layers, output, sample }: LlamaProgram): Section[] {
  return [
    ...layers.map(({ kind }) => LAYER_SECTIONS[kind]),
    ...output.map((): Section => ({ name: "output" })),
    ...sample.map((): Section => ({ name: "sample" })),
  ];
}

/** One run of operations as it was timed. */
export interface TimedRun {
  readonly sections: readonly Section[];
  readonly startMs: number;
  /** When each operation was done. */
  readonly endsMs: ArrayLike<number>;
}

/** The passes of a step's runs, in order; those of which `isDone` is false computed nothing. */
export function passTimes(
  runs: readonly TimedRun[],
  isDone: (name: PassTime["name"]) => boolean,
): PassTime[] {
  const [{ startMs: stepMs }] = runs;
  return runs.flatMap((run) => joinSections(timedSections(run, isDone), stepMs));
}

/** Operations follow each other without a pause: one begins when the one before is done. */
function* timedSections(
  { sections, startMs, endsMs }: TimedRun,
  isDone: (name: PassTime["name"]) => boolean,
): Generator<TimedSection> {
  let from = startMs;
  for (const [i, section] of sections.entries()) {
    if (!isDone(section.name)) continue;
    yield { ...section, startMs: from, endMs: endsMs[i] };
    from = endsMs[i];
  }
}
