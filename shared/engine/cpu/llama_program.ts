/**
 * The operations of a llama forward pass.
 *
 * Threads meet after each operation of a layer: norm, qkv, rope and KV write, attention, its merge,
 * output (+=), norm, gate and up, SwiGLU, down (+=); with a single row only five times, since the
 * others are done by one thread (`kernels/program.as`). Only rows that are sampled or whose logits are
 * wanted go through the final norm and the output matrix, gathered to the front.
 */

import type { ModelShape } from "../../weights/model_file.ts";
import { kvLayout, sliceBytes } from "../kv_layout.ts";
import type { Llama, LlamaLayer } from "../llama_tensors.ts";
import { floatBits, type Operation } from "./program.ts";
import type { Activations, StepLayout } from "./step_layout.ts";
import type { PanelMatrix } from "./weight_panels.ts";

/** Weights in shared memory: matrices, and addresses of vectors. */
export type LlamaWeights = Llama<PanelMatrix, number>;

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
