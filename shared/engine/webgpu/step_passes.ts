/**
 * The compute passes that a step's dispatches go into.
 *
 * Ops ask for the pass by the section of the model that they belong to. A step that is not timed puts
 * all sections into one pass; one that is timed gets a pass for each, with timestamps around it, since
 * a device writes timestamps at the ends of passes only. What the kernels compute is the same.
 */

import type { PassTime } from "../backend.ts";
import { joinSections, type Section, type TimedSection, type WorkKind } from "../pass_times.ts";

export interface StepPasses {
  /** The pass for the dispatches that come next. Valid until the next call. */
  enter(name: Section["name"], kind?: WorkKind): GPUComputePassEncoder;
  /** Ends the pass that is open. */
  end(): void;
}

/** One pass for all sections. */
export function onePass(
  encoder: GPUCommandEncoder,
  timestampWrites?: GPUComputePassTimestampWrites,
): StepPasses {
  const pass = encoder.beginComputePass({ timestampWrites });
  return { enter: () => pass, end: () => pass.end() };
}

/** A pass for each section; section i writes timestamps 2 i and 2 i + 1 of `querySet`. */
export class SplitPasses implements StepPasses {
  /** Those entered so far, in order. */
  readonly sections: Section[] = [];
  readonly #encoder: GPUCommandEncoder;
  readonly #querySet: GPUQuerySet;
  #pass: GPUComputePassEncoder | null = null;

  constructor(encoder: GPUCommandEncoder, querySet: GPUQuerySet) {
    this.#encoder = encoder;
    this.#querySet = querySet;
  }

  enter(name: Section["name"], kind?: WorkKind): GPUComputePassEncoder {
    const last = this.sections.at(-1);
    if (this.#pass && last?.name === name && last.kind === kind) return this.#pass;
    this.end();
    const begin = 2 * this.sections.length;
    this.sections.push({ name, kind });
    this.#pass = this.#encoder.beginComputePass({
      timestampWrites: {
        querySet: this.#querySet,
        beginningOfPassWriteIndex: begin,
        endOfPassWriteIndex: begin + 1,
      },
    });
    return this.#pass;
  }

  end(): void {
    this.#pass?.end();
    this.#pass = null;
  }
}

/**
 * The times of `sections` as passes, sections of one name joined. Undefined where the device's clock
 * went backwards within a section.
 *
 * @param timestampsNs begin and end of each section; of any epoch
 */
export function passTimes(
  sections: readonly Section[],
  timestampsNs: BigUint64Array,
): PassTime[] | undefined {
  const sinceStartMs = (index: number) => Number(timestampsNs[index] - timestampsNs[0]) / 1e6;
  const timed: TimedSection[] = [];
  let previousEndMs = 0;
  for (const [i, section] of sections.entries()) {
    if (timestampsNs[2 * i + 1] < timestampsNs[2 * i]) return undefined;
    // A device may begin a pass while the one before drains: that time belongs to the earlier one.
    const startMs = Math.max(previousEndMs, sinceStartMs(2 * i));
    previousEndMs = Math.max(startMs, sinceStartMs(2 * i + 1));
    timed.push({ ...section, startMs, endMs: previousEndMs });
  }
  return joinSections(timed, 0);
}
