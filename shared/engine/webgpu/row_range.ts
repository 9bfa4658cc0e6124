/**
 * The activation rows of a step, split into tiles.
 *
 * Linear kernels read the rows they may write from a small uniform, one for the whole tiles and one
 * for the rest, so that bind groups are built once and a step only rewrites two words.
 */

import type { Gpu } from "./device.ts";
import { type RowSplit, splitRows } from "./kernel_shapes.ts";

/** Whole tiles use range 0, the rest range 1. */
export type RangeIndex = 0 | 1;

export interface RangeSplit extends RowSplit {
  readonly range: RangeIndex;
}

export class RowRange {
  /** Uniforms of (start, end) rows. */
  readonly buffers: readonly [GPUBuffer, GPUBuffer];
  readonly #gpu: Gpu;
  readonly #tiles: readonly number[];
  #rows = 0;
  #splits: readonly RangeSplit[] = [];

  constructor(gpu: Gpu, options: { readonly label: string; readonly tiles: readonly number[] }) {
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    this.#gpu = gpu;
    this.#tiles = options.tiles;
    this.buffers = [
      gpu.buffer(`${options.label} tiles`, 16, usage),
      gpu.buffer(`${options.label} rest`, 16, usage),
    ];
  }

  get rows(): number {
    return this.#rows;
  }

  get splits(): readonly RangeSplit[] {
    return this.#splits;
  }

  /** Sets the rows of the commands submitted next. */
  set(rows: number): void {
    if (rows === this.#rows) return;
    this.#rows = rows;
    const largest = this.#tiles[this.#tiles.length - 1];
    this.#splits = splitRows(rows, this.#tiles).map((split) => ({
      ...split,
      range: split.start === 0 && split.tile === largest ? 0 : 1,
    }));
    for (const split of this.#splits) {
      const end = Math.min(rows, split.start + split.count * split.tile);
      const range = new Uint32Array([split.start, end, 0, 0]);
      this.#gpu.device.queue.writeBuffer(this.buffers[split.range], 0, range);
    }
  }
}
