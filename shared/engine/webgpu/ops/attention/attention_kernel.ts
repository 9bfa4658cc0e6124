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
 * them in workgroup memory. The loops of one invocation, ends included, turn 1.75 times a position.
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
  const isNarrow = shapes.family === "narrow";
  const sharing = heads / kvHeads;
  const queries = tile * sharing;
  const vectors = Math.ceil(queries / 4);
  const quads = headDim / 4;
  // A value column is what one invocation loads at once and sums.
  const column = isNarrow ? { type: "vec4f", width: 4 } : { type: "f32", width: 1 };
  const columns = headDim / column.width;
  const columnsEach = Math.ceil(columns / workgroup);
  const rowOf = (c: number) => Math.floor(c / sharing);
  const weight = (c: number) => `weight${c >> 2}.${"xyzw"[c & 3]}`;
  const query = (c: number, q: number) => isNarrow ? `query${c}_${q}` : `query[${c * quads + q}u]`;
  const perQuery = (text: (c: number) => string) => unroll(queries, text);
  const perVector = (text: (v: number) => string) => unroll(vectors, text);
  const perColumn = (text: (d: number) => string) =>
    unroll(
      columnsEach,
      (d) =>
        (d + 1) * workgroup > columns
          ? `if (thread + ${d * workgroup}u < ${columns}u) { ${text(d)} }`
          : text(d),
    );
  const slot = (position: string) =>
    `(block_tables[table + ${position} / ${BLOCK_TOKENS}u] * ${BLOCK_TOKENS}u + ` +
    `${position} % ${BLOCK_TOKENS}u)`;
  return `
@group(0) @binding(0) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(1) var<storage, read> rows: array<vec4u>;
@group(0) @binding(2) var<storage, read> block_tables: array<u32>;
@group(0) @binding(3) var<storage, read> keys: array<vec4f>;
@group(0) @binding(4) var<storage, read> values: array<${column.type}>;
@group(0) @binding(5) var<storage, read_write> output: array<${column.type}>;
@group(0) @binding(6) var<storage, read> groups: array<vec2u>;
// Scores, then weights: four queries of one position in a vector.
var<workgroup> weights: array<vec4f, ${vectors * chunk}>;
${isNarrow ? "" : `var<workgroup> query: array<vec4f, ${queries * quads}>;`}

const LOWEST = -3.4028234e38;

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let kv_head = group.x;
  let first_row = groups[group.y].x;
  let row_count = groups[group.y].y;
  let table = rows[first_row].z;
  let first_position = rows[first_row].y;
  let positions = first_position + row_count;
${isNarrow ? loadRegisters(options) : loadShared(options)}
${perVector((v) => `var top${v} = vec4f(LOWEST); var weight${v}: vec4f; var mass${v} = vec4f();`)}
${perQuery((c) => unroll(columnsEach, (d) => `var sum${c}_${d} = ${column.type}();`))}
  for (var start = 0u; start < positions; start += ${chunk}u) {
    let count = min(positions - start, ${chunk}u);
    workgroupBarrier();
    for (var i = thread; i < ${chunk}u; i += ${workgroup}u) {
${perVector((v) => `var score${v} = vec4f(LOWEST);`)}
      if (i < count) {
        let position = start + i;
        let at = (${slot("position")} * ${kvHeads}u + kv_head) * ${quads}u;
${perQuery((c) => `var dot${c} = vec4f();`)}
${
    unroll(quads, (q) =>
      `{ let key = keys[at + ${q}u];\n` +
      perQuery((c) => `dot${c} = fma(${query(c, q)}, key, dot${c});`) + " }")
  }
${
    perQuery((c) =>
      `if (position <= first_position + ${rowOf(c)}u) { ` +
      `score${c >> 2}.${"xyzw"[c & 3]} = (dot${c}.x + dot${c}.y) + (dot${c}.z + dot${c}.w); }`
    )
  }
      }
${perVector((v) => `weights[i * ${vectors}u + ${v}u] = score${v};`)}
    }
    workgroupBarrier();
${perVector((v) => `var new_top${v} = top${v};`)}
    for (var i = 0u; i < ${chunk * vectors}u; i += ${16 * vectors}u) {
${
    perVector((v) =>
      unroll(16, (i) => `new_top${v} = max(new_top${v}, weights[i + ${i * vectors + v}u]);`)
    )
  }
    }
    workgroupBarrier();
    for (var i = thread; i < count; i += ${workgroup}u) {
${
    perVector((v) => {
      const at = `weights[i * ${vectors}u + ${v}u]`;
      return `${at} = exp(${at} - new_top${v});`;
    })
  }
    }
${
    perVector((v) =>
      `weight${v} = exp(top${v} - new_top${v}); top${v} = new_top${v}; mass${v} *= weight${v};`
    )
  }
${perQuery((c) => unroll(columnsEach, (d) => `sum${c}_${d} *= ${weight(c)};`))}
    workgroupBarrier();
    for (var first = 0u; first < count; first += ${BLOCK_TOKENS}u) {
      let block_at = (${slot("(start + first)")} * ${kvHeads}u + kv_head) * ${columns}u + thread;
      let end = min(count - first, ${BLOCK_TOKENS}u);
      for (var i = 0u; i < end; i++) {
        let at = block_at + i * ${kvHeads * columns}u;
${perVector((v) => `weight${v} = weights[(first + i) * ${vectors}u + ${v}u];`)}
${perVector((v) => `mass${v} += weight${v};`)}
${
    perColumn((d) =>
      `let value${d} = values[at + ${d * workgroup}u];\n` +
      perQuery((c) => `sum${c}_${d} = fma(${column.type}(${weight(c)}), value${d}, sum${c}_${d});`)
    )
  }
      }
    }
  }
  let at = first_row * ${heads * columns}u + kv_head * ${sharing * columns}u + thread;
${
    perQuery((c) =>
      `if (${rowOf(c)}u < row_count) {\n` + perColumn((d) => {
        const offset = rowOf(c) * heads * columns + c % sharing * columns + d * workgroup;
        return `output[at + ${offset}u] = sum${c}_${d} / mass${c >> 2}.${"xyzw"[c & 3]};`;
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
