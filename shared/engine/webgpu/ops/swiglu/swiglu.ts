/** `y[r, i] = silu(gate[r, i]) * up[r, i]`, with gate and up side by side in one buffer. */

import type { Gpu } from "../../device.ts";
import type { KernelShapes } from "../../kernel_shapes.ts";
import type { Launch } from "../../launch.ts";

export interface SwigluOptions {
  /** Columns of gate and of up, a multiple of 4. */
  readonly columns: number;
  readonly shapes: KernelShapes;
  /** [rows, 2 * columns]: gate, then up */
  readonly input: GPUBuffer;
  /** [rows, columns] */
  readonly output: GPUBuffer;
}

/** Binds the kernel; the launch may be encoded any number of times. */
export function swiglu(gpu: Gpu, options: SwigluOptions): Launch {
  const { columns, shapes, input, output } = options;
  const quads = columns / 4;
  const kernel = gpu.kernel("swiglu", swigluKernel(quads, shapes.workgroup), [
    "read",
    "read_write",
  ]);
  return {
    kernel,
    bindings: gpu.bind(kernel, [input, output]),
    workgroups: Math.ceil(quads / (shapes.workgroup * QUADS_PER_THREAD)),
  };
}

const QUADS_PER_THREAD = 4;

function swigluKernel(quads: number, workgroup: number): string {
  return `
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let first = group.x * ${workgroup * QUADS_PER_THREAD}u + thread;
  for (var step = 0u; step < ${QUADS_PER_THREAD}u; step++) {
    let i = first + step * ${workgroup}u;
    if (i < ${quads}u) {
      let gate = x[group.y * ${2 * quads}u + i];
      let up = x[group.y * ${2 * quads}u + ${quads}u + i];
      y[group.y * ${quads}u + i] = gate / (1.0 + exp(-gate)) * up;
    }
  }
}`;
}
