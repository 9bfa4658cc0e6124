/**
 * A llama forward pass: what lies where in memory, and the operations of a step.
 *
 * Ten meetings of the threads a layer: norm, qkv, rope and KV write, attention, its merge, output (+=),
 * norm, gate and up, SwiGLU, down (+=). Only rows that are sampled or whose logits are wanted go
 * through the final norm and the output matrix, gathered to the front.
 */

import type { ModelShape } from "../../weights/model_file.ts";
import { blocksFor, kvLayout, sliceBytes } from "../kv_layout.ts";
import type { Llama, LlamaLayer } from "../llama_tensors.ts";
import type { RowBounds } from "../step_rows.ts";
import type { MemoryPlan } from "./memory_plan.ts";
import { floatBits, type Operation } from "./program.ts";
import { SAMPLE_RECORD_BYTES } from "./sample_records.ts";
import type { PanelMatrix } from "./weight_panels.ts";

/** Weights in shared memory: matrices, and addresses of vectors. */
export type LlamaWeights = Llama<PanelMatrix, number>;

/** Positions of one softmax, as `kernels/attention.as` has it. */
const CHUNK_TOKENS = 128;
/** Bytes of a partial result beside its values. */
const PARTIAL_HEAD_BYTES = 16;
/** Activations of a quantised block, its bytes and those of its sums and scale. */
const QUANT_COLUMNS = 32;
const QUANT_BYTES = 64;
const QUANT_INFO_BYTES = 16;

/** Activations of one width, as floats and quantised. */
interface Activations {
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
  const attention = CHUNK_TOKENS * 4 + PARTIAL_HEAD_BYTES + headDim * 4;
  return Math.max(panel, attention, 2 * vocab * 4);
}

/** Chunks of positions that a row at `position` attends over. */
export function chunksOf(position: number): number {
  return Math.floor(position / CHUNK_TOKENS) + 1;
}

export interface LlamaProgram {
  readonly layers: readonly Operation[];
  /** Final norm and logits of the output rows. */
  readonly output: readonly Operation[];
  readonly sample: readonly Operation[];
}

export interface LlamaProgramOptions {
  readonly shape: ModelShape;
  readonly weights: LlamaWeights;
  readonly step: StepLayout;
  /** The kind of dot product: see `kernels/quantise.as`. */
  readonly hasByteDot: boolean;
}

/** The operations of a step. */
export function llamaProgram(options: LlamaProgramOptions): LlamaProgram {
  const { shape, weights, step } = options;
  const { embedding } = weights;
  const embed = embedding.parts[0];
  const layers: Operation[] = [{
    kind: "embed",
    count: step.header,
    parameters: [
      embed.format,
      embed.address,
      embed.panelBytes,
      embedding.columns,
      step.rows,
      step.residual,
    ],
  }];
  for (const [index, layer] of weights.layers.entries()) {
    layers.push(...layerOperations(layer, index, options));
  }
  const outputCount = step.header + 4;
  const output = [
    norm(options, {
      x: step.residual,
      weight: weights.outputNorm,
      to: step.outputNormed,
      count: outputCount,
      gather: step.outputRows,
      readers: weights.output,
    }),
    ...linear(options, {
      matrix: weights.output,
      from: step.outputNormed,
      to: step.logits,
      count: outputCount,
    }),
  ];
  const sample: Operation = {
    kind: "sample",
    count: step.header + 8,
    parameters: [step.logits, shape.vocab, step.sampleRecords, step.tokens],
  };
  return { layers, output, sample: [sample] };
}

function layerOperations(
  layer: LlamaLayer<PanelMatrix, number>,
  index: number,
  options: LlamaProgramOptions,
): Operation[] {
  const { shape, step, hasByteDot } = options;
  const { heads, kvHeads, headDim, feedForward } = shape;
  const layerOffset = index * 2 * sliceBytes(shape);
  const cache = [
    step.qkv,
    step.kvCache,
    kvLayout(shape).blockBytes,
    layerOffset,
    step.rows,
    step.blockTables,
    heads,
    kvHeads,
    headDim,
  ];
  const count = step.header;
  const quantised = (to: Activations, reader: PanelMatrix) => [
    to.values,
    isQuantised(reader) ? to.quants : 0,
    to.info,
    hasByteDot ? 1 : 0,
  ];
  return [
    norm(options, {
      x: step.residual,
      weight: layer.attentionNorm,
      to: step.normed,
      count,
      gather: 0,
      readers: layer.qkv,
    }),
    ...linear(options, { matrix: layer.qkv, from: step.normed, to: step.qkv, count }),
    { kind: "rotateAndStore", count, parameters: [...cache, step.angles, shape.ropeDim] },
    { kind: "attend", count, parameters: [...cache, step.partials, step.header] },
    {
      kind: "mergeAttention",
      count,
      parameters: [
        step.partials,
        step.header,
        heads,
        headDim,
        step.rows,
        ...quantised(step.attended, layer.attentionOutput),
      ],
    },
    ...linear(options, {
      matrix: layer.attentionOutput,
      from: step.attended,
      to: step.residual,
      count,
      isAdding: true,
    }),
    norm(options, {
      x: step.residual,
      weight: layer.feedForwardNorm,
      to: step.normed,
      count,
      gather: 0,
      readers: layer.gateUp,
    }),
    ...linear(options, { matrix: layer.gateUp, from: step.normed, to: step.gateUp, count }),
    {
      kind: "swiglu",
      count,
      parameters: [
        step.gateUp,
        0,
        feedForward,
        0,
        0,
        ...quantised(step.product, layer.down),
      ],
    },
    ...linear(options, {
      matrix: layer.down,
      from: step.product,
      to: step.residual,
      count,
      isAdding: true,
    }),
  ];
}

function isQuantised(matrix: PanelMatrix): boolean {
  return matrix.parts.some((part) => part.isQuantised);
}

function norm(
  { shape, hasByteDot }: LlamaProgramOptions,
  { x, weight, to, count, gather, readers }: {
    readonly x: number;
    readonly weight: number;
    readonly to: Activations;
    readonly count: number;
    /** Address of the rows to take, 0 for all in order. */
    readonly gather: number;
    readonly readers: PanelMatrix;
  },
): Operation {
  const parameters = [
    x,
    weight,
    shape.hidden,
    floatBits(shape.rmsEpsilon),
    gather,
    to.values,
    isQuantised(readers) ? to.quants : 0,
    to.info,
    hasByteDot ? 1 : 0,
  ];
  return { kind: "normalise", count, parameters };
}

/** One operation a part; they run side by side. */
function linear(
  { hasByteDot }: LlamaProgramOptions,
  { matrix, from, to, count, isAdding = false }: {
    readonly matrix: PanelMatrix;
    readonly from: Activations;
    readonly to: number;
    readonly count: number;
    readonly isAdding?: boolean;
  },
): Operation[] {
  return matrix.parts.map((part, index): Operation => ({
    kind: "linear",
    count,
    parameters: [
      part.format,
      part.address,
      part.panelBytes,
      matrix.columns,
      part.rows,
      from.values,
      from.quants,
      from.info,
      hasByteDot ? 1 : 0,
      to + part.start * 4,
      matrix.rows,
      isAdding ? 1 : 0,
    ],
    isLast: index === matrix.parts.length - 1,
  }));
}
