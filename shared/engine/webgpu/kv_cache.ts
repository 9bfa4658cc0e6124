/**
 * The paged KV cache on the device: for each layer keys and values, each
 * `[blocks, BLOCK_TOKENS, kvHeads, headDim]` f32. Outside of the device a block travels whole, in the
 * order of `KvLayout`: for each layer its keys, then its values.
 */

import type { KvLayout } from "../backend.ts";
import { checkBlockBytes, checkBlocks, sliceBytes } from "../kv_layout.ts";
import type { Gpu } from "./device.ts";
import { Readback, type ReadbackMode } from "./readback.ts";

/** Bytes of one readback at most: larger ones drop to a quarter of the rate on llvmpipe. */
const READ_BYTES = 16 * 1024 * 1024;

export class KvCache {
  readonly layout: KvLayout;
  readonly totalBlocks: number;
  readonly keys: readonly GPUBuffer[];
  readonly values: readonly GPUBuffer[];
  readonly #gpu: Gpu;
  readonly #sliceBytes: number;
  readonly #blocksAtOnce: number;
  readonly #readback: Readback;
  #isReading = false;

  constructor(
    gpu: Gpu,
    options: {
      readonly layout: KvLayout;
      readonly totalBlocks: number;
      readonly readbackMode: ReadbackMode;
    },
  ) {
    const { layout, totalBlocks } = options;
    this.#gpu = gpu;
    this.layout = layout;
    this.totalBlocks = totalBlocks;
    this.#sliceBytes = sliceBytes(layout);
    const create = (what: string) =>
      Array.from(
        { length: layout.layers },
        (_, layer) => gpu.storage(`${what} of layer ${layer}`, totalBlocks * this.#sliceBytes),
      );
    this.keys = create("keys");
    this.values = create("values");
    const most = Math.max(1, Math.floor(READ_BYTES / layout.blockBytes));
    this.#blocksAtOnce = Math.min(totalBlocks, most);
    this.#readback = new Readback(gpu, {
      label: "KV blocks",
      byteLength: this.#blocksAtOnce * layout.blockBytes,
      mode: options.readbackMode,
    });
  }

  /** Maps the staging buffer once, as `Readback` requires. */
  async prime(): Promise<void> {
    await this.#readback.prime();
  }

  /** Reads whole blocks. @returns [blocks, blockBytes] */
  async read(blocks: readonly number[]): Promise<Uint8Array<ArrayBuffer>> {
    checkBlocks(blocks, this.totalBlocks);
    if (this.#isReading) throw new RangeError("Cannot read KV blocks: another read is under way");
    this.#isReading = true;
    try {
      const { blockBytes } = this.layout;
      const data = new Uint8Array(blocks.length * blockBytes);
      for (let first = 0; first < blocks.length; first += this.#blocksAtOnce) {
        const some = blocks.slice(first, first + this.#blocksAtOnce);
        const encoder = this.#gpu.device.createCommandEncoder({ label: "read KV blocks" });
        for (const [i, block] of some.entries()) this.#encodeRead(encoder, block, i * blockBytes);
        this.#gpu.device.queue.submit([encoder.finish()]);
        data.set(await this.#readback.read(some.length * blockBytes), first * blockBytes);
      }
      return data;
    } finally {
      this.#isReading = false;
    }
  }

  /** Writes whole blocks. @param data [blocks, blockBytes] */
  write(blocks: readonly number[], data: Uint8Array<ArrayBuffer>): void {
    checkBlocks(blocks, this.totalBlocks);
    checkBlockBytes(blocks.length, data.length, this.layout);
    const { layers } = this.layout;
    const { queue } = this.#gpu.device;
    const size = this.#sliceBytes;
    let at = 0;
    for (const block of blocks) {
      for (let layer = 0; layer < layers; layer++) {
        queue.writeBuffer(this.keys[layer], block * size, data, at, size);
        queue.writeBuffer(this.values[layer], block * size, data, at + size, size);
        at += 2 * size;
      }
    }
  }

  #encodeRead(encoder: GPUCommandEncoder, block: number, offset: number): void {
    const size = this.#sliceBytes;
    let at = offset;
    for (let layer = 0; layer < this.layout.layers; layer++) {
      encoder.copyBufferToBuffer(this.keys[layer], block * size, this.#readback.buffer, at, size);
      at += size;
      encoder.copyBufferToBuffer(this.values[layer], block * size, this.#readback.buffer, at, size);
      at += size;
    }
  }
}
