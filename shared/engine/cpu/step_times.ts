/** What the times after each operation of a step say about its passes. */

import type { PassTime } from "../backend.ts";
import type { LlamaProgram } from "./llama_program.ts";
import type { Operation } from "./program.ts";

/** What an operation is counted for. */
export interface Section {
  readonly name: PassTime["name"];
  /** In the layers. */
  readonly kind?: keyof PassTime["kinds"];
}

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
  const passes: { name: PassTime["name"]; startMs: number; endMs: number; kinds: KindTimes }[] = [];
  for (const { sections, startMs, endsMs } of runs) {
    let from = startMs;
    let pass: (typeof passes)[number] | undefined;
    for (const [i, { name, kind }] of sections.entries()) {
      if (!isDone(name)) continue;
      const endMs = endsMs[i];
      if (pass?.name !== name) {
        pass = { name, startMs: from, endMs, kinds: {} };
        passes.push(pass);
      }
      pass.endMs = endMs;
      if (kind) pass.kinds[kind] = (pass.kinds[kind] ?? 0) + endMs - from;
      from = endMs;
    }
  }
  const [{ startMs: stepMs }] = runs;
  return passes.map(({ name, startMs, endMs, kinds }) => ({
    name,
    startMs: startMs - stepMs,
    durationMs: endMs - startMs,
    kinds,
  }));
}

type KindTimes = Partial<Record<keyof PassTime["kinds"], number>>;
