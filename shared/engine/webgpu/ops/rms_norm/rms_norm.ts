/** `y[r] = x[source(r)] / rms(x[source(r)]) * weight`, optionally gathering rows. */

import type { BindingUse, Gpu, Kernel } from "../../device.ts";
import type { KernelShapes } from "../../kernel_shapes.ts";
import type { Launch } from "../../launch.ts";

export interface RmsNormOptions {
  /** Columns of a row, a multiple of 4. */
  readonly columns: number;
  readonly epsilon: number;
  readonly shapes: KernelShapes;
  /** Takes row `index[r]` of the input where true, row `r` otherwise. */
  readonly isGathering?: boolean;
}

export interface RmsNormBuffers {
  readonly input: GPUBuffer;
  /** [columns] */
  readonly weight: GPUBuffer;
  readonly output: GPUBuffer;
  /** u32 [rows], where the kernel gathers. */
  readonly index?: GPUBuffer;
}

export class RmsNorm {
  readonly #gpu: Gpu;
  readonly #kernel: Kernel;

  constructor(gpu: Gpu, options: RmsNormOptions) {
    const uses: BindingUse[] = ["read", "read", "read_write"];
    if (options.isGathering) uses.push("read");
    this.#gpu = gpu;
    this.#kernel = gpu.kernel("rms_norm", rmsNormKernel(options), uses);
  }

  bind({ input, weight, output, index }: RmsNormBuffers): Launch {
    const buffers = [input, weight, output];
    if (index) buffers.push(index);
    return {
      kernel: this.#kernel,
      bindings: this.#gpu.bind(this.#kernel, buffers),
      workgroups: 1,
    };
  }
}

/** One workgroup a row: every invocation sums its stride, all add the partial sums in one order. */
function rmsNormKernel({ columns, epsilon, shapes, isGathering }: RmsNormOptions): string {
  const workgroup = shapes.normWorkgroup;
  const quads = columns / 4;
  return `
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
${isGathering ? "@group(0) @binding(3) var<storage, read> index: array<u32>;" : ""}
var<workgroup> partial: array<f32, ${workgroup}>;

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = group.y;
  let source = ${isGathering ? "index[row]" : "row"} * ${quads}u;
  var squares = vec4f();
  for (var i = thread; i < ${quads}u; i += ${workgroup}u) {
    let v = x[source + i];
    squares = fma(v, v, squares);
  }
  partial[thread] = (squares.x + squares.y) + (squares.z + squares.w);
  for (var half = ${workgroup / 2}u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (thread < half) { partial[thread] += partial[thread + half]; }
  }
  workgroupBarrier();
  let scale = inverseSqrt(partial[0] / ${columns}.0 + ${epsilon});
  for (var i = thread; i < ${quads}u; i += ${workgroup}u) {
    y[row * ${quads}u + i] = x[source + i] * scale * weight[i];
  }
}`;
}
