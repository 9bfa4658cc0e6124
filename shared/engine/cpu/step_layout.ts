/** Where in shared memory a step finds its rows and leaves its activations. */

import type { ModelShape } from "../../weights/model_file.ts";
import { blocksFor, kvLayout } from "../kv_layout.ts";
import type { RowBounds } from "../step_rows.ts";
import type { MemoryPlan } from "./memory_plan.ts";
import { SAMPLE_RECORD_BYTES } from "./sample_records.ts";

/** Positions of one softmax, as `kernels/attention.as` has it. */
const CHUNK_TOKENS = 128;
/** Bytes of a partial result beside its values. */
const PARTIAL_HEAD_BYTES = 16;
/** Activations of a quantised block, its bytes and those of its sums and scale. */
const QUANT_COLUMNS = 32;
const QUANT_BYTES = 64;
const QUANT_INFO_BYTES = 16;

/** Activations of one width, as floats and quantised. */
export interface Activations {
  readonly values: number;
  readonly quants: number;
  readonly info: number;
}

/** Addresses of what a step reads and writes. */
export interface StepLayout {
  /** Words: rows, output rows, sampled rows, chunks of the longest row, whether chunks are spread. */
  readonly header: number;
  readonly rows: number;
  readonly blockTables: number;
  readonly outputRows: number;
  readonly sampleRecords: number;
  readonly tokens: number;
  /** [maxSlices, vocab] */
  readonly logits: number;
  readonly kvCache: number;
  readonly angles: number;
  /** Partial results of attention that there is room for, over all heads. */
  readonly partialRows: number;
  readonly partials: number;
  readonly residual: number;
  readonly qkv: number;
  readonly gateUp: number;
  readonly normed: Activations;
  readonly attended: Activations;
  readonly product: Activations;
  readonly outputNormed: Activations;
}

/** Reserves everything but the weights. */
export function planStep(shape: ModelShape, bounds: RowBounds, memory: MemoryPlan): StepLayout {
  const { hidden, feedForward, heads, kvHeads, headDim, vocab, ropeDim } = shape;
  const { maxRows, maxSlices, maxPositions } = bounds;
  const reserve = (bytes: number) => memory.reserve("activations", bytes);
  const floats = (rows: number, columns: number) => reserve(rows * columns * 4);
  const activations = (rows: number, columns: number): Activations => {
    const blocks = rows * Math.ceil(columns / QUANT_COLUMNS);
    return {
      values: floats(rows, columns),
      quants: reserve(blocks * QUANT_BYTES),
      info: reserve(blocks * QUANT_INFO_BYTES),
    };
  };
  const partialRows = Math.max(maxRows, Math.ceil(maxPositions / CHUNK_TOKENS));
  return {
    header: reserve(64),
    rows: reserve(maxRows * 16),
    blockTables: reserve(maxSlices * blocksFor(maxPositions) * 4),
    outputRows: reserve(maxSlices * 4),
    sampleRecords: reserve(maxSlices * SAMPLE_RECORD_BYTES),
    tokens: reserve(maxSlices * 4),
    logits: floats(maxSlices, vocab),
    kvCache: memory.reserve("KV cache", bounds.totalBlocks * kvLayout(shape).blockBytes),
    angles: floats(maxPositions, ropeDim),
    partialRows,
    partials: reserve(partialRows * heads * (PARTIAL_HEAD_BYTES + headDim * 4)),
    residual: floats(maxRows, hidden),
    qkv: floats(maxRows, (heads + 2 * kvHeads) * headDim),
    gateUp: floats(maxRows, 2 * feedForward),
    normed: activations(maxRows, hidden),
    attended: activations(maxRows, heads * headDim),
    product: activations(maxRows, feedForward),
    outputNormed: activations(maxSlices, hidden),
  };
}

/** Bytes of scratch that one thread needs at most. */
export function scratchBytes(shape: ModelShape): number {
  const { hidden, feedForward, heads, headDim, vocab } = shape;
  const columns = Math.max(hidden, feedForward, heads * headDim);
  const panel = columns * 8 * 4 + Math.ceil(columns / QUANT_COLUMNS) * 64;
  const attention = 2 * (CHUNK_TOKENS * 4 + PARTIAL_HEAD_BYTES + headDim * 4);
  return Math.max(panel, attention, 2 * vocab * 4);
}

/** Chunks of positions that a row at `position` attends over. */
export function chunksOf(position: number): number {
  return Math.floor(position / CHUNK_TOKENS) + 1;
}
