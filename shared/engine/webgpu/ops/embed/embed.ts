/** `x[r] = embedding[token of row r]`, dequantised. */

import type { BindingUse, Gpu } from "../../device.ts";
import type { KernelShapes } from "../../kernel_shapes.ts";
import { encodeRows, type Launch } from "../../launch.ts";
import { findRow, loadUnit, scaleQuad, unitQuad, weightBindings } from "../../weight_format.ts";
import type { MatrixPart, WeightMatrix } from "../../weight_matrix.ts";

const USES: readonly BindingUse[] = ["read", "read", "read", "read_write"];

export interface EmbedOptions {
  /** [vocab, hidden] */
  readonly embedding: WeightMatrix;
  readonly shapes: KernelShapes;
  /** Row records; see `step_rows.ts`. */
  readonly rows: GPUBuffer;
  /** [rows, hidden] */
  readonly output: GPUBuffer;
}

export class Embed {
  readonly #launches: readonly Launch[];

  constructor(gpu: Gpu, options: EmbedOptions) {
    this.#launches = options.embedding.parts.map((part) => {
      const kernel = gpu.kernel("embed", embedKernel(part, options.shapes.workgroup), USES);
      return {
        kernel,
        bindings: gpu.bind(kernel, [part.quants, part.scales, options.rows, options.output]),
        workgroups: Math.ceil(part.layout.units / options.shapes.workgroup),
      };
    });
  }

  encode(pass: GPUComputePassEncoder, rows: number): void {
    for (const launch of this.#launches) encodeRows(pass, launch, rows);
  }
}

/** One invocation writes one unit; rows whose token lies in another part are left alone. */
function embedKernel(part: MatrixPart, workgroup: number): string {
  const { layout } = part;
  const quads = layout.unitWeights / 4;
  const stores = Array.from({ length: quads }, (_, q) => {
    const value = scaleQuad(layout, "w", unitQuad(layout, "w", q));
    return `  output[at + ${q}u] = ${value};`;
  });
  return `
${weightBindings(layout.format)}
@group(0) @binding(2) var<storage, read> rows: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let unit = group.x * ${workgroup}u + thread;
  let token = rows[group.y].x;
  if (unit >= ${layout.units}u || token < ${part.start}u || token >= ${part.start + part.rows}u) {
    return;
  }
${findRow(layout, "w", `token - ${part.start}u`)}
${loadUnit(layout, "w", "unit")}
  let at = group.y * ${layout.columns / 4}u + unit * ${quads}u;
${stores.join("\n")}
}`;
}
