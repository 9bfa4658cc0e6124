/**
 * Rotates queries and keys by their position and writes keys and values into the paged cache.
 *
 * Pairs are interleaved (2i, 2i + 1), as GGUF's llama tensors store them. The angles come from a
 * table.
 */

import { BLOCK_TOKENS } from "../../../backend.ts";
import type { Gpu } from "../../device.ts";
import type { KernelShapes } from "../../kernel_shapes.ts";
import type { Launch } from "../../launch.ts";
import type { StepBuffers } from "../../step_rows.ts";

export interface HeadShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

export interface RopeKvOptions {
  readonly shape: HeadShape & { readonly ropeDim: number };
  readonly shapes: KernelShapes;
  /** [rows, (heads + 2 * kvHeads) * headDim]: queries (rotated in place), keys, values */
  readonly qkv: GPUBuffer;
  /** What `ropeTable` gives. */
  readonly table: GPUBuffer;
  readonly step: StepBuffers;
  /** [blocks, BLOCK_TOKENS, kvHeads, headDim] */
  readonly keys: GPUBuffer;
  readonly values: GPUBuffer;
}

/** Binds the kernel for one layer. */
export function ropeKv(gpu: Gpu, options: RopeKvOptions): Launch {
  const { shape, shapes, qkv, table, step, keys, values } = options;
  const pairs = (shape.heads + 2 * shape.kvHeads) * shape.headDim / 2;
  const kernel = gpu.kernel("rope_kv", ropeKvKernel(shape, shapes.workgroup), [
    "read_write",
    "read",
    "read",
    "read",
    "read_write",
    "read_write",
  ]);
  return {
    kernel,
    bindings: gpu.bind(kernel, [qkv, table, step.rows, step.blockTables, keys, values]),
    workgroups: Math.ceil(pairs / (shapes.workgroup * PAIRS_PER_THREAD)),
  };
}

const PAIRS_PER_THREAD = 4;

/** One invocation takes pairs of one row: a query is rotated, a key rotated and stored, a value stored. */
function ropeKvKernel(shape: RopeKvOptions["shape"], workgroup: number): string {
  const { heads, kvHeads, headDim, ropeDim } = shape;
  const half = headDim / 2;
  const pairs = (heads + 2 * kvHeads) * half;
  return `
@group(0) @binding(0) var<storage, read_write> qkv: array<vec2f>;
@group(0) @binding(1) var<storage, read> angles: array<vec2f>;
@group(0) @binding(2) var<storage, read> rows: array<vec4u>;
@group(0) @binding(3) var<storage, read> block_tables: array<u32>;
@group(0) @binding(4) var<storage, read_write> keys: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> values: array<vec2f>;

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = rows[group.y];
  let position = row.y;
  let block = block_tables[row.z + position / ${BLOCK_TOKENS}u];
  let slot = (block * ${BLOCK_TOKENS}u + position % ${BLOCK_TOKENS}u) * ${kvHeads * half}u;
  let first = group.x * ${workgroup * PAIRS_PER_THREAD}u + thread;
  for (var step = 0u; step < ${PAIRS_PER_THREAD}u; step++) {
    let i = first + step * ${workgroup}u;
    if (i >= ${pairs}u) { break; }
    var v = qkv[group.y * ${pairs}u + i];
    let pair = i % ${half}u;
    if (i < ${(heads + kvHeads) * half}u && pair < ${ropeDim / 2}u) {
      let angle = angles[position * ${ropeDim / 2}u + pair];
      v = vec2f(fma(v.x, angle.x, -(v.y * angle.y)), fma(v.x, angle.y, v.y * angle.x));
    }
    if (i < ${heads * half}u) {
      qkv[group.y * ${pairs}u + i] = v;
    } else if (i < ${(heads + kvHeads) * half}u) {
      keys[slot + i - ${heads * half}u] = v;
    } else {
      values[slot + i - ${(heads + kvHeads) * half}u] = v;
    }
  }
}`;
}
