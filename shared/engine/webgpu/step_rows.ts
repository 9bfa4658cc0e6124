/**
 * A step as the GPU's kernels read it: the rows that every backend packs, and groups of them.
 *
 * Attention takes rows in groups, (first row, rows): neighbours of one slice together, up to
 * `attentionTile` of them, others alone. `outputRows` lists the rows that go on to the output matrix.
 */

import type { SequenceSlice } from "../backend.ts";
import { blocksFor } from "../kv_layout.ts";
import { type PackedRows, packRows, type RowBounds } from "../step_rows.ts";
import type { Gpu } from "./device.ts";

/** What bounds a step. */
export interface StepBounds extends RowBounds {
  /** Rows of one slice that attention takes together at most. */
  readonly attentionTile: number;
}

/** A step's slices in the layout of the device buffers. */
export interface PackedStep extends PackedRows {
  /** Groups of one row, and of more. [groups, 2] */
  readonly singleRows: Uint32Array<ArrayBuffer>;
  readonly rowTiles: Uint32Array<ArrayBuffer>;
}

/** Checks and packs `slices`. Throws a RangeError that names the first slice at fault. */
export function packStep(slices: readonly SequenceSlice[], bounds: StepBounds): PackedStep {
  const packed = packRows(slices, bounds);
  const singleRows: number[] = [];
  const rowTiles: number[] = [];
  let row = 0;
  for (const { tokens } of slices) {
    for (let i = 0; i < tokens.length; i += bounds.attentionTile) {
      const count = Math.min(bounds.attentionTile, tokens.length - i);
      (count === 1 ? singleRows : rowTiles).push(row + i, count);
    }
    row += tokens.length;
  }
  return {
    ...packed,
    singleRows: Uint32Array.from(singleRows),
    rowTiles: Uint32Array.from(rowTiles),
  };
}

/** The device side of a step's rows. */
export class StepBuffers {
  /** vec4u [maxRows] */
  readonly rows: GPUBuffer;
  readonly blockTables: GPUBuffer;
  /** vec2u [maxRows] */
  readonly singleRows: GPUBuffer;
  readonly rowTiles: GPUBuffer;
  readonly attentionTile: number;
  /** u32 [maxSlices] */
  readonly outputRows: GPUBuffer;
  readonly #gpu: Gpu;

  constructor(gpu: Gpu, bounds: StepBounds) {
    this.#gpu = gpu;
    this.rows = gpu.storage("step rows", bounds.maxRows * 16);
    const tableEntries = bounds.maxSlices * blocksFor(bounds.maxPositions);
    this.blockTables = gpu.storage("block tables", tableEntries * 4);
    this.singleRows = gpu.storage("single rows", bounds.maxRows * 8);
    this.rowTiles = gpu.storage("row tiles", bounds.maxRows * 8);
    this.attentionTile = bounds.attentionTile;
    this.outputRows = gpu.storage("output rows", bounds.maxSlices * 4);
  }

  write(step: PackedStep): void {
    const { queue } = this.#gpu.device;
    queue.writeBuffer(this.rows, 0, step.records);
    queue.writeBuffer(this.blockTables, 0, step.blockTables);
    if (step.singleRows.length > 0) queue.writeBuffer(this.singleRows, 0, step.singleRows);
    if (step.rowTiles.length > 0) queue.writeBuffer(this.rowTiles, 0, step.rowTiles);
  }

  writeOutputRows(rows: readonly number[]): void {
    this.#gpu.device.queue.writeBuffer(this.outputRows, 0, Uint32Array.from(rows));
  }
}
