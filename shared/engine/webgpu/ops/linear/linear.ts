/** `y[rows, outputs] (+)= x[rows, columns] * weights[outputs, columns]^T` over quantised weights. */

import type { BindingUse, Gpu, Kernel } from "../../device.ts";
import { type KernelShapes, linearShape } from "../../kernel_shapes.ts";
import type { RowRange } from "../../row_range.ts";
import type { MatrixPart, WeightMatrix } from "../../weight_matrix.ts";
import { linearKernel, outputsPerWorkgroup } from "./linear_kernel.ts";

const USES: readonly BindingUse[] = ["read", "read", "read", "read_write", "uniform"];

export interface LinearOptions {
  readonly weights: WeightMatrix;
  readonly shapes: KernelShapes;
  /** [rows, weights.columns], rows allocated to a multiple of the largest tile */
  readonly input: GPUBuffer;
  /** [rows, weights.rows] */
  readonly output: GPUBuffer;
  readonly range: RowRange;
  /** Adds to the output instead of replacing it. */
  readonly isAdding?: boolean;
}

interface PartLaunch {
  /** By tile. */
  readonly kernels: ReadonlyMap<number, { readonly kernel: Kernel; readonly workgroups: number }>;
  readonly bindings: readonly [GPUBindGroup, GPUBindGroup];
}

export class Linear {
  readonly #range: RowRange;
  readonly #parts: readonly PartLaunch[];

  constructor(gpu: Gpu, options: LinearOptions) {
    this.#range = options.range;
    this.#parts = options.weights.parts.map((part) => partLaunch(gpu, part, options));
  }

  /** Encodes the product for the rows that `range` holds now. */
  encode(pass: GPUComputePassEncoder): void {
    for (const part of this.#parts) {
      for (const split of this.#range.splits) {
        const launch = part.kernels.get(split.tile);
        if (!launch) {
          throw new RangeError(`Cannot run a linear kernel: no tile of ${split.tile} rows`);
        }
        pass.setPipeline(launch.kernel.pipeline);
        pass.setBindGroup(0, part.bindings[split.range]);
        pass.dispatchWorkgroups(launch.workgroups, split.count);
      }
    }
  }
}

function partLaunch(gpu: Gpu, part: MatrixPart, options: LinearOptions): PartLaunch {
  const { weights, shapes, input, output, range, isAdding = false } = options;
  const { layout } = part;
  const kernels = new Map<number, { kernel: Kernel; workgroups: number }>();
  for (const tile of shapes.tiles) {
    const shape = linearShape(shapes, { format: layout.format, units: layout.units, tile });
    const code = linearKernel({
      layout,
      shape,
      outputs: part.rows,
      outputStride: weights.rows,
      outputStart: part.start,
      isAdding,
    });
    const label = `linear ${layout.format} ${part.rows}x${layout.columns} tile ${tile}`;
    const workgroups = Math.ceil(part.rows / outputsPerWorkgroup(shape));
    kernels.set(tile, { kernel: gpu.kernel(label, code, USES), workgroups });
  }
  const { kernel } = kernels.values().next().value ?? { kernel: undefined };
  if (!kernel) throw new RangeError("Cannot build a linear kernel: the shapes name no tile");
  const bind = (uniform: GPUBuffer) =>
    gpu.bind(kernel, [part.quants, part.scales, input, output, uniform]);
  return { kernels, bindings: [bind(range.buffers[0]), bind(range.buffers[1])] };
}
