/**
 * Causal attention of a step's rows over their sequences' blocks.
 *
 * Rows that lie next to each other in a sequence (prefill chunks) are taken several at a time, single
 * rows (decode) alone; both kernels give a row the same bits.
 */

import type { BindingUse, Gpu, Kernel } from "../../device.ts";
import type { KernelShapes } from "../../kernel_shapes.ts";
import type { PackedStep, StepBuffers } from "../../step_rows.ts";
import type { HeadShape } from "../rope_kv/rope_kv.ts";
import { attentionKernel } from "./attention_kernel.ts";

/** Positions that the kernel may attend to where loops end after 65,535 iterations. */
export const MAX_POSITIONS_WITH_LOOP_CAP = 36_864;

const USES: readonly BindingUse[] = [
  "read",
  "read",
  "read",
  "read",
  "read",
  "read_write",
  "read",
];

export interface AttentionOptions {
  readonly shape: HeadShape;
  readonly shapes: KernelShapes;
  /** [rows, (heads + 2 * kvHeads) * headDim], queries rotated */
  readonly qkv: GPUBuffer;
  readonly step: StepBuffers;
  /** [blocks, BLOCK_TOKENS, kvHeads, headDim] */
  readonly keys: GPUBuffer;
  readonly values: GPUBuffer;
  /** [rows, heads * headDim] */
  readonly output: GPUBuffer;
}

interface GroupLaunch {
  readonly kernel: Kernel;
  readonly bindings: GPUBindGroup;
}

export class Attention {
  readonly #kvHeads: number;
  readonly #single: GroupLaunch;
  readonly #tiled: GroupLaunch;

  constructor(gpu: Gpu, options: AttentionOptions) {
    const { shape, shapes, qkv, step, keys, values, output } = options;
    const launch = (tile: number, groups: GPUBuffer): GroupLaunch => {
      const code = attentionKernel({ shape, shapes, tile });
      const kernel = gpu.kernel(`attention tile ${tile}`, code, USES);
      const buffers = [qkv, step.rows, step.blockTables, keys, values, output, groups];
      return { kernel, bindings: gpu.bind(kernel, buffers) };
    };
    this.#kvHeads = shape.kvHeads;
    this.#single = launch(1, step.singleRows);
    this.#tiled = launch(step.attentionTile, step.rowTiles);
  }

  /** Encodes the groups of rows of a step that was written to the step's buffers. */
  encode(pass: GPUComputePassEncoder, { singleRows, rowTiles }: PackedStep): void {
    this.#encode(pass, this.#single, singleRows.length / 2);
    this.#encode(pass, this.#tiled, rowTiles.length / 2);
  }

  #encode(pass: GPUComputePassEncoder, { kernel, bindings }: GroupLaunch, groups: number): void {
    if (groups === 0) return;
    pass.setPipeline(kernel.pipeline);
    pass.setBindGroup(0, bindings);
    pass.dispatchWorkgroups(this.#kvHeads, groups);
  }
}
