/**
 * WGSL of `y[r, n] (+)= sum over k of x[r, k] * w[n, k]`.
 *
 * One invocation owns `tile` activation rows times `outputsPerThread` weight rows. It walks the units
 * of its weight rows in order: for scaled formats the dot product of the unscaled weights, then one
 * fma with the scale; for plain formats one fma a quad into four sums. That order is the same for
 * every tile, so a row's result does not depend on how many rows ran with it. Arithmetic is pinned by
 * explicit fma.
 *
 * Sizes are literals: on llvmpipe a tile of several rows runs twice as fast as with sizes in a uniform.
 */

import type { LinearShape } from "../../kernel_shapes.ts";
import {
  findRow,
  loadUnit,
  type RowLayout,
  unitQuad,
  weightBindings,
} from "../../weight_format.ts";
import { unroll } from "../../wgsl_text.ts";

export interface LinearKernelOptions {
  readonly layout: RowLayout;
  readonly shape: LinearShape;
  /** Weight rows of this part. */
  readonly outputs: number;
  /** Output row stride, and the column at which this part's outputs begin. */
  readonly outputStride: number;
  readonly outputStart: number;
  /** Adds to the output where true, replaces it otherwise. */
  readonly isAdding: boolean;
}

/** Weight rows that one workgroup computes. */
export function outputsPerWorkgroup(shape: LinearShape): number {
  return shape.workgroup / shape.lanes * shape.outputsPerThread;
}

/** Bindings: quants, scales, x `[rows, columns]`, y, and the range of rows as (start, end). */
export function linearKernel(options: LinearKernelOptions): string {
  const { layout, shape } = options;
  const { workgroup, lanes, outputsPerThread, tile } = shape;
  const groups = workgroup / lanes;
  const isPlain = layout.scaleBytes === 0;
  const sums = tile * outputsPerThread;
  const partial = `var<workgroup> partial: array<f32, ${workgroup * sums}>;`;
  const quads = layout.unitWeights / 4;
  // Weights that several rows use are unpacked once.
  const unpack = unroll(
    outputsPerThread,
    (o) => unroll(quads, (q) => `let q${o}_${q} = ${unitQuad(layout, `w${o}`, q)};`),
  );
  const total = (i: number) => isPlain ? horizontal(`sum${i}`) : `sum${i}`;
  return `
${weightBindings(layout.format)}
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> range: vec4u;
${lanes > 1 ? partial : ""}

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let lane = thread % ${lanes}u;
  let output = group.x * ${groups * outputsPerThread}u + thread / ${lanes}u;
  let row = range.x + group.y * ${tile}u;
${unroll(outputsPerThread, (o) => findRow(layout, `w${o}`, weightRow(options, o * groups)))}
${unroll(sums, (i) => `var sum${i} = ${isPlain ? "vec4f()" : "0.0"};`)}
  for (var unit = lane; unit < ${layout.units}u; unit += ${lanes}u) {
${unroll(outputsPerThread, (o) => loadUnit(layout, `w${o}`, "unit"))}
${tile > 1 ? unpack : ""}
${unroll(tile, (t) => addUnits(options, t))}
  }
${unroll(sums, (i) => `var total${i} = ${total(i)};`)}
${lanes > 1 ? reduce(shape, sums) : ""}
${unroll(sums, (i) => store(options, Math.floor(i / outputsPerThread), i % outputsPerThread))}
}`;
}

/** A weight row; rows past the end read the last one. */
function weightRow({ outputs }: LinearKernelOptions, offset: number): string {
  return `min(output + ${offset}u, ${outputs - 1}u)`;
}

/** Adds the loaded unit of every weight row, times activation row `t`, to the sums. */
function addUnits(options: LinearKernelOptions, t: number): string {
  const { layout, shape } = options;
  const { outputsPerThread, tile } = shape;
  const quads = layout.unitWeights / 4;
  const quad = (o: number, q: number) => tile > 1 ? `q${o}_${q}` : unitQuad(layout, `w${o}`, q);
  const lines = [
    `{ let at = (row + ${t}u) * ${layout.columns / 4}u + unit * ${quads}u;`,
    unroll(quads, (q) => `let x${q} = x[at + ${q}u];`),
  ];
  if (layout.format === "q4_offset") {
    lines.push(
      "let xs = ((x0 + x1) + (x2 + x3)) + ((x4 + x5) + (x6 + x7));",
      `let x_sum = ${horizontal("xs")};`,
    );
  }
  for (let o = 0; o < outputsPerThread; o++) {
    const sum = `sum${t * outputsPerThread + o}`;
    if (layout.scaleBytes === 0) {
      lines.push(unroll(quads, (q) => `${sum} = fma(${quad(o, q)}, x${q}, ${sum});`));
      continue;
    }
    lines.push(
      `{ var a = ${quad(o, 0)} * x0;`,
      unroll(quads - 1, (q) => `a = fma(${quad(o, q + 1)}, x${q + 1}, a);`),
      layout.format === "q4_offset"
        ? `${sum} = fma(${horizontal("a")}, w${o}_scale.x, fma(x_sum, w${o}_scale.y, ${sum})); }`
        : `${sum} = fma(${horizontal("a")}, w${o}_scale, ${sum}); }`,
    );
  }
  lines.push("}");
  return lines.join("\n");
}

/** Adds up the lanes of each weight row, in halves; lane 0 goes on with the totals. */
function reduce(shape: LinearShape, sums: number): string {
  const at = (i: number) => `${i * shape.workgroup}u + thread`;
  const lines = [unroll(sums, (i) => `partial[${at(i)}] = total${i};`)];
  for (let half = shape.lanes / 2; half >= 1; half /= 2) {
    lines.push(
      "workgroupBarrier();",
      `if (lane < ${half}u) {`,
      unroll(
        sums,
        (i) => `total${i} += partial[${at(i)} + ${half}u]; partial[${at(i)}] = total${i};`,
      ),
      "}",
    );
  }
  lines.push("if (lane != 0u) { return; }");
  return lines.join("\n");
}

function store(options: LinearKernelOptions, t: number, o: number): string {
  const { shape, outputStride, outputStart, isAdding } = options;
  const n = `output + ${o * shape.workgroup / shape.lanes}u`;
  const target = `y[(row + ${t}u) * ${outputStride}u + ${outputStart}u + ${n}]`;
  const total = `total${t * shape.outputsPerThread + o}`;
  return `if (row + ${t}u < range.y && ${n} < ${options.outputs}u) { ${target} ${
    isAdding ? "+=" : "="
  } ${total}; }`;
}

function horizontal(vector: string): string {
  return `((${vector}.x + ${vector}.y) + (${vector}.z + ${vector}.w))`;
}
