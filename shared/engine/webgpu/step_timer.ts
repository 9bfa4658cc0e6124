/** Times a step on the device, where the adapter has timestamp queries. */

import type { StepResult } from "../backend.ts";
import type { Gpu } from "./device.ts";
import { onePass, passTimes, SplitPasses, type StepPasses } from "./step_passes.ts";

const TIMESTAMP_BYTES = 8;
/** What WebGPU lets one query set hold. */
const MAX_QUERIES = 4096;
/** Of a step in one pass. */
const WHOLE_STEP_BYTES = 2 * TIMESTAMP_BYTES;

/** The times of one step; used from top to bottom. */
export interface StepTiming {
  readonly passes: StepPasses;
  /** Copies the timestamps to the start of `target`. Returns their bytes, 0 where there are none. */
  encodeCopy(target: GPUBuffer): number;
  /** What the timestamps say that `data` begins with. */
  times(data: Uint8Array<ArrayBuffer>): Pick<StepResult, "deviceTimeNs" | "passes">;
}

interface Queries {
  readonly set: GPUQuerySet;
  readonly resolved: GPUBuffer;
}

export class StepTimer {
  /** Most bytes that the timestamps of a step take. */
  readonly byteLength: number;
  readonly #queries: Queries | null;

  /** @param sections most that a step enters */
  constructor(gpu: Gpu, sections: number) {
    const isSplittable = 2 * sections <= MAX_QUERIES;
    const count = isSplittable ? 2 * sections : 2;
    this.byteLength = count * TIMESTAMP_BYTES;
    this.#queries = gpu.hasTimestamps
      ? {
        set: gpu.timestamps("step", count),
        resolved: gpu.buffer(
          "timestamps",
          this.byteLength,
          GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
        ),
      }
      : null;
  }

  /** Opens the passes of a step on `encoder`. */
  begin(encoder: GPUCommandEncoder, options: { readonly timePasses: boolean }): StepTiming {
    const queries = this.#queries;
    if (!queries) {
      return { passes: onePass(encoder), encodeCopy: () => 0, times: () => ({}) };
    }
    const isSplit = options.timePasses && this.byteLength > WHOLE_STEP_BYTES;
    return isSplit ? splitTiming(encoder, queries) : wholeTiming(encoder, queries);
  }
}

function wholeTiming(encoder: GPUCommandEncoder, queries: Queries): StepTiming {
  const passes = onePass(encoder, {
    querySet: queries.set,
    beginningOfPassWriteIndex: 0,
    endOfPassWriteIndex: 1,
  });
  return {
    passes,
    encodeCopy: (target) => encodeCopy(encoder, queries, { sections: 1, target }),
    times: (data) => ({ deviceTimeNs: elapsedNs(timestamps(data, 1)) }),
  };
}

function splitTiming(encoder: GPUCommandEncoder, queries: Queries): StepTiming {
  const passes = new SplitPasses(encoder, queries.set);
  const { sections } = passes;
  return {
    passes,
    encodeCopy: (target) => encodeCopy(encoder, queries, { sections: sections.length, target }),
    times: (data) => {
      const written = timestamps(data, sections.length);
      return { deviceTimeNs: elapsedNs(written), passes: passTimes(sections, written) };
    },
  };
}

function encodeCopy(
  encoder: GPUCommandEncoder,
  { set, resolved }: Queries,
  { sections, target }: { readonly sections: number; readonly target: GPUBuffer },
): number {
  const bytes = sections * 2 * TIMESTAMP_BYTES;
  encoder.resolveQuerySet(set, 0, sections * 2, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, target, 0, bytes);
  return bytes;
}

function timestamps(data: Uint8Array<ArrayBuffer>, sections: number): BigUint64Array {
  return new BigUint64Array(data.buffer, data.byteOffset, 2 * sections);
}

/** From the first timestamp to the last; undefined where the device's clock went backwards. */
function elapsedNs(timestampsNs: BigUint64Array): number | undefined {
  const begin = timestampsNs[0];
  const end = timestampsNs[timestampsNs.length - 1];
  return end >= begin ? Number(end - begin) : undefined;
}
