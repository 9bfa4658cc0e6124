import type { Gpu } from "./device.ts";

/** Bytes of a begin and an end timestamp. */
export const TIMER_BYTES = 16;

/** Measures a compute pass on the device, where the adapter can. */
export class StepTimer {
  readonly #querySet: GPUQuerySet | null;
  readonly #resolved: GPUBuffer | null;

  constructor(gpu: Gpu) {
    if (!gpu.hasTimestamps) {
      this.#querySet = null;
      this.#resolved = null;
      return;
    }
    this.#querySet = gpu.device.createQuerySet({ type: "timestamp", count: 2 });
    const usage = GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC;
    this.#resolved = gpu.buffer("timestamps", TIMER_BYTES, usage);
  }

  get timestampWrites(): GPUComputePassTimestampWrites | undefined {
    if (!this.#querySet) return undefined;
    return { querySet: this.#querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
  }

  /** Copies the timestamps to the start of `target`. */
  encodeCopy(encoder: GPUCommandEncoder, target: GPUBuffer): void {
    if (!this.#querySet || !this.#resolved) return;
    encoder.resolveQuerySet(this.#querySet, 0, 2, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, target, 0, TIMER_BYTES);
  }

  /** Nanoseconds of the pass whose timestamps begin `data`; undefined where nothing was measured. */
  elapsedNs(data: Uint8Array<ArrayBuffer>): number | undefined {
    if (!this.#querySet) return undefined;
    const [begin, end] = new BigUint64Array(data.buffer, data.byteOffset, 2);
    return end >= begin ? Number(end - begin) : undefined;
  }

  close(): void {
    this.#querySet?.destroy();
  }
}
