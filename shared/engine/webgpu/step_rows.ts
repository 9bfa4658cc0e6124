/**
 * A step as the kernels read it: one record a row, and the block tables of its slices.
 *
 * Row record, vec4u: token, position, index of the slice's block table in `blockTables`, unused.
 * Attention takes rows in groups, (first row, rows): neighbours of one slice together, up to
 * `attentionTile` of them, others alone. `outputRows` lists the rows that go on to the output matrix.
 */

import { BLOCK_TOKENS, type SequenceSlice } from "../backend.ts";
import type { Gpu } from "./device.ts";

/** What bounds a step. */
export interface StepBounds {
  readonly maxRows: number;
  readonly maxSlices: number;
  readonly totalBlocks: number;
  readonly vocab: number;
  /** Positions that a sequence may have. */
  readonly maxPositions: number;
  /** Rows of one slice that attention takes together at most. */
  readonly attentionTile: number;
}

/** A step's slices in the layout of the device buffers. */
export interface PackedStep {
  readonly rows: number;
  /** [rows, 4] */
  readonly records: Uint32Array<ArrayBuffer>;
  readonly blockTables: Uint32Array<ArrayBuffer>;
  /** Groups of one row, and of more. [groups, 2] */
  readonly singleRows: Uint32Array<ArrayBuffer>;
  readonly rowTiles: Uint32Array<ArrayBuffer>;
  /** Last row of every slice that samples, in slice order. */
  readonly sampledRows: readonly number[];
  /** Rows whose logits are wanted, in slice order. */
  readonly logitRows: readonly number[];
}

/** Checks and packs `slices`. Throws a RangeError that names the first slice at fault. */
export function packStep(slices: readonly SequenceSlice[], bounds: StepBounds): PackedStep {
  if (slices.length > bounds.maxSlices) {
    refuse(`it has ${slices.length} slices, and the backend takes ${bounds.maxSlices}`);
  }
  const rows = slices.reduce((sum, slice) => sum + slice.tokens.length, 0);
  if (rows === 0) refuse("it has no rows");
  if (rows > bounds.maxRows) refuse(`it has ${rows} rows, and the backend takes ${bounds.maxRows}`);
  const records = new Uint32Array(rows * 4);
  const tables: number[] = [];
  const singleRows: number[] = [];
  const rowTiles: number[] = [];
  const sampledRows: number[] = [];
  const logitRows: number[] = [];
  let row = 0;
  for (const [index, slice] of slices.entries()) {
    checkSlice(index, slice, bounds);
    for (let i = 0; i < slice.tokens.length; i += bounds.attentionTile) {
      const count = Math.min(bounds.attentionTile, slice.tokens.length - i);
      (count === 1 ? singleRows : rowTiles).push(row + i, count);
    }
    for (const [i, token] of slice.tokens.entries()) {
      if (slice.wantLogits) logitRows.push(row);
      records.set([token, slice.startPosition + i, tables.length, 0], row * 4);
      row++;
    }
    if (slice.sample) sampledRows.push(row - 1);
    const blocks = blocksFor(slice.startPosition + slice.tokens.length);
    for (let i = 0; i < blocks; i++) tables.push(slice.blockTable[i]);
  }
  return {
    rows,
    records,
    blockTables: Uint32Array.from(tables),
    singleRows: Uint32Array.from(singleRows),
    rowTiles: Uint32Array.from(rowTiles),
    sampledRows,
    logitRows,
  };
}

/** Blocks that hold `positions` positions. */
export function blocksFor(positions: number): number {
  return Math.ceil(positions / BLOCK_TOKENS);
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

function checkSlice(index: number, slice: SequenceSlice, bounds: StepBounds): void {
  const { blockTable, startPosition, tokens } = slice;
  const end = startPosition + tokens.length;
  const what = `slice ${index}`;
  if (tokens.length === 0) refuse(`${what} has no tokens`);
  if (!Number.isInteger(startPosition) || startPosition < 0) {
    refuse(`${what} starts at position ${startPosition}`);
  }
  if (end > bounds.maxPositions) {
    refuse(`${what} ends at position ${end}, and a sequence may have ${bounds.maxPositions}`);
  }
  if (blockTable.length < blocksFor(end)) {
    refuse(`${what} needs ${blocksFor(end)} blocks, and its table has ${blockTable.length}`);
  }
  for (let i = 0; i < blocksFor(end); i++) {
    if (!isBelow(blockTable[i], bounds.totalBlocks)) {
      refuse(`${what} names block ${blockTable[i]} of ${bounds.totalBlocks}`);
    }
  }
  const token = tokens.find((id) => !isBelow(id, bounds.vocab));
  if (token !== undefined) refuse(`${what} has token ${token}, and the vocabulary ${bounds.vocab}`);
}

function isBelow(value: number, limit: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < limit;
}

function refuse(reason: string): never {
  throw new RangeError(`Cannot run a step: ${reason}`);
}
