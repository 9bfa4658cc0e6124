/**
 * WGSL of causal attention over paged keys and values, with an online softmax.
 *
 * A workgroup takes `tile` consecutive rows of one sequence and one KV head with all query heads that
 * share it, so that a key or value once loaded serves `tile * heads / kvHeads` queries. Positions go
 * in chunks: scores (a position an invocation), rescale by the new maximum, weighted sum of values
 * (dimensions over invocations). Chunks begin at position 0, and positions after a row's own weigh
 * exactly nothing, so a row's sums depend on its position only, not on the rows beside it.
 *
 * Narrow kernels keep queries in registers, since every load is one of eight lanes; wide kernels keep
 * them in workgroup memory. The loops of one invocation turn 1.4 times a position.
 */

import { BLOCK_TOKENS } from "../../../backend.ts";
import type { KernelShapes } from "../../kernel_shapes.ts";
import { unroll } from "../../wgsl_text.ts";
import type { HeadShape } from "../rope_kv/rope_kv.ts";

export interface AttentionKernelOptions {
  readonly shape: HeadShape;
  readonly shapes: KernelShapes;
  /** Rows of one workgroup. */
  readonly tile: number;
}

/**
 * Bindings: qkv `[rows, (heads + 2 * kvHeads) * headDim]`, row records, block tables, keys, values,
 * output `[rows, heads * headDim]`, and the groups as (first row, rows).
 */
export function attentionKernel(options: AttentionKernelOptions): string {
  const { shape, shapes, tile } = options;
  const { heads, kvHeads, headDim } = shape;
  const { attentionWorkgroup: workgroup, attentionChunk: chunk } = shapes;
  const sharing = heads / kvHeads;
  const queries = tile * sharing;
  const quads = headDim / 4;
  const isShared = shapes.family === "wide";
  const dims = Math.ceil(headDim / workgroup);
  const isRagged = headDim % workgroup !== 0;
  const rowOf = (c: number) => Math.floor(c / sharing);
  const query = (c: number, q: number) => isShared ? `query[${c * quads + q}u]` : `query${c}_${q}`;
  const perQuery = (text: (c: number) => string) => unroll(queries, text);
  const perDim = (text: (d: number) => string) =>
    unroll(
      dims,
      (d) =>
        isRagged && d === dims - 1
          ? `if (thread + ${d * workgroup}u < ${headDim}u) { ${text(d)} }`
          : text(d),
    );
  const slot = (position: string) =>
    `((block_tables[table + ${position} / ${BLOCK_TOKENS}u] * ${BLOCK_TOKENS}u + ` +
    `${position} % ${BLOCK_TOKENS}u) * ${kvHeads}u + kv_head)`;
  return `
@group(0) @binding(0) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(1) var<storage, read> rows: array<vec4u>;
@group(0) @binding(2) var<storage, read> block_tables: array<u32>;
@group(0) @binding(3) var<storage, read> keys: array<vec4f>;
@group(0) @binding(4) var<storage, read> values: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;
@group(0) @binding(6) var<storage, read> groups: array<vec2u>;
var<workgroup> weights: array<f32, ${queries * chunk}>;
${isShared ? `var<workgroup> query: array<vec4f, ${queries * quads}>;` : ""}

const LOWEST = -3.4028234e38;

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let kv_head = group.x;
  let first_row = groups[group.y].x;
  let row_count = groups[group.y].y;
  let table = rows[first_row].z;
  let first_position = rows[first_row].y;
  let positions = first_position + row_count;
${isShared ? loadShared(options) : loadRegisters(options)}
${perQuery((c) => `var top${c} = LOWEST; var mass${c} = 0.0;`)}
${perQuery((c) => unroll(dims, (d) => `var sum${c}_${d} = 0.0;`))}
  for (var start = 0u; start < positions; start += ${chunk}u) {
    let count = min(positions - start, ${chunk}u);
    workgroupBarrier();
    for (var i = thread; i < ${chunk}u; i += ${workgroup}u) {
${perQuery((c) => `var score${c} = LOWEST;`)}
      if (i < count) {
        let position = start + i;
        let at = ${slot("position")} * ${quads}u;
${perQuery((c) => `var dot${c} = vec4f();`)}
${
    unroll(quads, (q) =>
      `{ let key = keys[at + ${q}u];\n` +
      perQuery((c) => `dot${c} = fma(${query(c, q)}, key, dot${c});`) + " }")
  }
${
    perQuery((c) =>
      `if (position <= first_position + ${rowOf(c)}u) { ` +
      `score${c} = (dot${c}.x + dot${c}.y) + (dot${c}.z + dot${c}.w); }`
    )
  }
      }
${perQuery((c) => `weights[${c * chunk}u + i] = score${c};`)}
    }
    workgroupBarrier();
${perQuery((c) => `var new_top${c} = top${c};`)}
    for (var i = 0u; i < ${chunk}u; i += 16u) {
${
    perQuery((c) =>
      unroll(16, (i) => `new_top${c} = max(new_top${c}, weights[${c * chunk + i}u + i]);`)
    )
  }
    }
    workgroupBarrier();
    for (var i = thread; i < count; i += ${workgroup}u) {
${perQuery((c) => `weights[${c * chunk}u + i] = exp(weights[${c * chunk}u + i] - new_top${c});`)}
    }
${
    perQuery((c) =>
      `{ let scale = exp(top${c} - new_top${c}); top${c} = new_top${c}; mass${c} *= scale;\n` +
      unroll(dims, (d) => `sum${c}_${d} *= scale;`) + " }"
    )
  }
    workgroupBarrier();
    for (var i = 0u; i < count; i++) {
      let position = start + i;
      let at = ${slot("position")} * ${headDim}u + thread;
${perQuery((c) => `let weight${c} = weights[${c * chunk}u + i]; mass${c} += weight${c};`)}
${
    perDim((d) =>
      `let value${d} = values[at + ${d * workgroup}u];\n` +
      perQuery((c) => `sum${c}_${d} = fma(weight${c}, value${d}, sum${c}_${d});`)
    )
  }
    }
  }
  let at = first_row * ${heads * headDim}u + kv_head * ${sharing * headDim}u + thread;
${
    perQuery((c) =>
      `if (${rowOf(c)}u < row_count) {\n` + perDim((d) => {
        const offset = rowOf(c) * heads * headDim + c % sharing * headDim + d * workgroup;
        return `output[at + ${offset}u] = sum${c}_${d} / mass${c};`;
      }) + " }"
    )
  }
}`;
}

/** Queries scaled, in registers. Rows past the group's end repeat its last one and are not stored. */
function loadRegisters({ shape, tile }: AttentionKernelOptions): string {
  const { heads, kvHeads, headDim } = shape;
  const sharing = heads / kvHeads;
  const quads = headDim / 4;
  const rowQuads = (heads + 2 * kvHeads) * quads;
  return unroll(
    tile,
    (t) =>
      `let at${t} = (first_row + min(${t}u, row_count - 1u)) * ${rowQuads}u + ` +
      `kv_head * ${sharing * quads}u;\n` +
      unroll(sharing, (g) =>
        unroll(quads, (q) =>
          `let query${t * sharing + g}_${q} = qkv[at${t} + ${g * quads + q}u] * ${
            scale(headDim)
          };`)),
  );
}

/** The same in workgroup memory. */
function loadShared({ shape, shapes, tile }: AttentionKernelOptions): string {
  const { heads, kvHeads, headDim } = shape;
  const quads = headDim / 4;
  const rowQuads = (heads + 2 * kvHeads) * quads;
  const width = heads / kvHeads * quads;
  return `for (var i = thread; i < ${tile * width}u; i += ${shapes.attentionWorkgroup}u) {
    let row = first_row + min(i / ${width}u, row_count - 1u);
    query[i] = qkv[row * ${rowQuads}u + kv_head * ${width}u + i % ${width}u] * ${scale(headDim)};
  }`;
}

function scale(headDim: number): string {
  return String(1 / Math.sqrt(headDim));
}
