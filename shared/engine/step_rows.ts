/**
 * A step as kernels read it: one record a row, and the block tables of its slices.
 *
 * Row record, four u32: token, position, index of the slice's block table in `blockTables`, unused.
 */

import type { ModelShape } from "../weights/model_file.ts";
import { type BackendOptions, BLOCK_TOKENS, type SequenceSlice } from "./backend.ts";
import { blocksFor } from "./kv_layout.ts";

/** What bounds a step. */
export interface RowBounds {
  readonly maxRows: number;
  readonly maxSlices: number;
  readonly totalBlocks: number;
  readonly vocab: number;
  /** Positions that a sequence may have. */
  readonly maxPositions: number;
}

/** The bounds of a backend with these options. */
export function rowBounds(shape: ModelShape, options: BackendOptions): RowBounds {
  const totalBlocks = blocksFor(options.kvCacheTokens);
  return {
    maxRows: options.maxRows,
    maxSlices: Math.min(options.maxSlices, options.maxRows),
    totalBlocks,
    vocab: shape.vocab,
    maxPositions: Math.min(shape.contextLength, totalBlocks * BLOCK_TOKENS),
  };
}

/** A step's slices, packed. */
export interface PackedRows {
  readonly rows: number;
  /** [rows, 4] */
  readonly records: Uint32Array<ArrayBuffer>;
  readonly blockTables: Uint32Array<ArrayBuffer>;
  /** Last row of every slice that samples, in slice order. */
  readonly sampledRows: readonly number[];
  /** Rows whose logits are wanted, in slice order. */
  readonly logitRows: readonly number[];
}

/** Checks and packs `slices`. Throws a RangeError that names the first slice at fault. */
export function packRows(slices: readonly SequenceSlice[], bounds: RowBounds): PackedRows {
  if (slices.length > bounds.maxSlices) {
    refuse(`it has ${slices.length} slices, and the backend takes ${bounds.maxSlices}`);
  }
  const rows = slices.reduce((sum, slice) => sum + slice.tokens.length, 0);
  if (rows === 0) refuse("it has no rows");
  if (rows > bounds.maxRows) refuse(`it has ${rows} rows, and the backend takes ${bounds.maxRows}`);
  const records = new Uint32Array(rows * 4);
  const tables: number[] = [];
  const sampledRows: number[] = [];
  const logitRows: number[] = [];
  let row = 0;
  for (const [index, slice] of slices.entries()) {
    checkSlice(index, slice, bounds);
    for (const [i, token] of slice.tokens.entries()) {
      if (slice.wantLogits) logitRows.push(row);
      records.set([token, slice.startPosition + i, tables.length, 0], row * 4);
      row++;
    }
    if (slice.sample) sampledRows.push(row - 1);
    const blocks = blocksFor(slice.startPosition + slice.tokens.length);
    for (let i = 0; i < blocks; i++) tables.push(slice.blockTable[i]);
  }
  return { rows, records, blockTables: Uint32Array.from(tables), sampledRows, logitRows };
}

function checkSlice(index: number, slice: SequenceSlice, bounds: RowBounds): void {
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
