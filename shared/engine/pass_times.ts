/** Times of a step's work joined to the passes that `StepResult` tells of. */

import type { PassTime } from "./backend.ts";

/** A kind of work in the layers. */
export type WorkKind = keyof PassTime["kinds"];

/** Work that is timed together. */
export interface Section {
  readonly name: PassTime["name"];
  /** In the layers. */
  readonly kind?: WorkKind;
}

/** Times are of one clock, of any epoch. */
export interface TimedSection extends Section {
  readonly startMs: number;
  readonly endMs: number;
}

/** Consecutive sections of one name as one pass, and what each kind took of it; times since `stepMs`. */
export function joinSections(sections: Iterable<TimedSection>, stepMs: number): PassTime[] {
  const passes: { name: PassTime["name"]; startMs: number; endMs: number; kinds: KindTimes }[] = [];
  for (const { name, kind, startMs, endMs } of sections) {
    let pass = passes.at(-1);
    if (pass?.name !== name) {
      pass = { name, startMs, endMs, kinds: {} };
      passes.push(pass);
    }
    pass.endMs = endMs;
    if (kind) pass.kinds[kind] = (pass.kinds[kind] ?? 0) + endMs - startMs;
  }
  return passes.map(({ name, startMs, endMs, kinds }) => ({
    name,
    startMs: startMs - stepMs,
    durationMs: endMs - startMs,
    kinds,
  }));
}

type KindTimes = Partial<Record<WorkKind, number>>;
