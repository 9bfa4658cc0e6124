/**
 * The dispatches of a llama forward pass, bound once and encoded for any number of rows.
 *
 * Nine kernels a layer: norm, qkv, rope and KV write, attention, output (+=), norm, gate and up,
 * SwiGLU, down (+=). The residual stream stays in one buffer; only rows that are sampled or whose
 * logits are wanted go through the final norm and the output matrix, gathered to the front.
 */

import type { ModelShape } from "../../weights/model_file.ts";
import { ropeTable } from "../rope_table.ts";
import type { Gpu } from "./device.ts";
import type { KernelShapes } from "./kernel_shapes.ts";
import type { KvCache } from "./kv_cache.ts";
import { encodeRows, type Launch } from "./launch.ts";
import type { LlamaWeights } from "./llama_weights.ts";
import { Attention } from "./ops/attention/attention.ts";
import { Embed } from "./ops/embed/embed.ts";
import { Linear } from "./ops/linear/linear.ts";
import { RmsNorm } from "./ops/rms_norm/rms_norm.ts";
import { ropeKv } from "./ops/rope_kv/rope_kv.ts";
import { swiglu } from "./ops/swiglu/swiglu.ts";
import { RowRange } from "./row_range.ts";
import type { WorkKind } from "../pass_times.ts";
import type { StepPasses } from "./step_passes.ts";
import type { PackedStep, StepBounds, StepBuffers } from "./step_rows.ts";

export interface GraphOptions {
  readonly shape: ModelShape;
  readonly shapes: KernelShapes;
  readonly weights: LlamaWeights;
  readonly kv: KvCache;
  readonly step: StepBuffers;
  readonly bounds: StepBounds;
}

/** The sections of a step beside its layers: embed and output. */
const OUTER_SECTIONS = 2;
/** One a kernel. */
const LAYER_SECTIONS = 9;

interface LayerLaunches {
  readonly attentionNorm: Launch;
  readonly qkv: Linear;
  readonly rope: Launch;
  readonly attention: Attention;
  readonly attentionOutput: Linear;
  readonly feedForwardNorm: Launch;
  readonly gateUp: Linear;
  readonly swiglu: Launch;
  readonly down: Linear;
}

export class LlamaGraph {
  /** [maxSlices, vocab] */
  readonly logits: GPUBuffer;
  /** Sections that a step enters. */
  readonly sections: number;
  readonly #rows: RowRange;
  readonly #outputRows: RowRange;
  readonly #embed: Embed;
  readonly #layers: readonly LayerLaunches[];
  readonly #outputNorm: Launch;
  readonly #output: Linear;

  constructor(gpu: Gpu, options: GraphOptions) {
    const { shape, shapes, weights, kv, step, bounds } = options;
    const { tiles } = shapes;
    const activations = activationBuffers(gpu, options);
    const { residual, normed, qkv, attended, gateUp, product, outputNormed } = activations;
    this.logits = activations.logits;
    this.sections = OUTER_SECTIONS + LAYER_SECTIONS * shape.layers;
    this.#rows = new RowRange(gpu, { label: "rows", tiles });
    this.#outputRows = new RowRange(gpu, { label: "output rows", tiles });

    const table = gpu.storageFrom("rope table", ropeTable(bounds.maxPositions, shape));
    const normOptions = { columns: shape.hidden, epsilon: shape.rmsEpsilon, shapes };
    const norm = new RmsNorm(gpu, normOptions);
    const gatherNorm = new RmsNorm(gpu, { ...normOptions, isGathering: true });
    const common = { shapes, range: this.#rows };

    this.#embed = new Embed(gpu, {
      embedding: weights.embedding,
      shapes,
      rows: step.rows,
      output: residual,
    });
    this.#layers = weights.layers.map((layer, i): LayerLaunches => {
      const cache = { keys: kv.keys[i], values: kv.values[i], step, shapes, shape, qkv };
      return {
        attentionNorm: norm.bind({ input: residual, weight: layer.attentionNorm, output: normed }),
        qkv: new Linear(gpu, { ...common, weights: layer.qkv, input: normed, output: qkv }),
        rope: ropeKv(gpu, { ...cache, table }),
        attention: new Attention(gpu, { ...cache, output: attended }),
        attentionOutput: new Linear(gpu, {
          ...common,
          weights: layer.attentionOutput,
          input: attended,
          output: residual,
          isAdding: true,
        }),
        feedForwardNorm: norm.bind({
          input: residual,
          weight: layer.feedForwardNorm,
          output: normed,
        }),
        gateUp: new Linear(gpu, {
          ...common,
          weights: layer.gateUp,
          input: normed,
          output: gateUp,
        }),
        swiglu: swiglu(gpu, { columns: shape.feedForward, shapes, input: gateUp, output: product }),
        down: new Linear(gpu, {
          ...common,
          weights: layer.down,
          input: product,
          output: residual,
          isAdding: true,
        }),
      };
    });
    this.#outputNorm = gatherNorm.bind({
      input: residual,
      weight: weights.outputNorm,
      output: outputNormed,
      index: step.outputRows,
    });
    this.#output = new Linear(gpu, {
      shapes,
      range: this.#outputRows,
      weights: weights.output,
      input: outputNormed,
      output: this.logits,
    });
  }

  /** Computes the residual stream and the KV of the rows of `step`. */
  encodeLayers(passes: StepPasses, step: PackedStep): void {
    const { rows } = step;
    const enter = (kind: WorkKind) => passes.enter("layers", kind);
    this.#rows.set(rows);
    this.#embed.encode(passes.enter("embed"), rows);
    for (const layer of this.#layers) {
      encodeRows(enter("other"), layer.attentionNorm, rows);
      layer.qkv.encode(enter("linear"));
      encodeRows(enter("other"), layer.rope, rows);
      layer.attention.encode(enter("attention"), step);
      layer.attentionOutput.encode(enter("linear"));
      encodeRows(enter("other"), layer.feedForwardNorm, rows);
      layer.gateUp.encode(enter("linear"));
      encodeRows(enter("other"), layer.swiglu, rows);
      layer.down.encode(enter("linear"));
    }
  }

  /** Computes the logits of the first `rows` rows that the step's `outputRows` names. */
  encodeOutput(passes: StepPasses, rows: number): void {
    const pass = passes.enter("output");
    this.#outputRows.set(rows);
    encodeRows(pass, this.#outputNorm, rows);
    this.#output.encode(pass);
  }
}

/** Activations of a step; linear kernels read whole tiles, so inputs have rows to spare. */
function activationBuffers(gpu: Gpu, { shape, shapes, bounds }: GraphOptions) {
  const { hidden, feedForward, heads, kvHeads, headDim, vocab } = shape;
  const largest = shapes.tiles[shapes.tiles.length - 1];
  const padded = (rows: number) => Math.ceil(rows / largest) * largest;
  const rows = (label: string, columns: number) =>
    gpu.storage(label, padded(bounds.maxRows) * columns * 4);
  return {
    residual: rows("residual", hidden),
    normed: rows("normed", hidden),
    qkv: rows("qkv", (heads + 2 * kvHeads) * headDim),
    attended: rows("attended", heads * headDim),
    gateUp: rows("gate and up", 2 * feedForward),
    product: rows("feed-forward product", feedForward),
    outputNormed: gpu.storage("output normed", padded(bounds.maxSlices) * hidden * 4),
    logits: gpu.storage("logits", bounds.maxSlices * vocab * 4),
  };
}
