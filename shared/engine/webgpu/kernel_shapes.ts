/**
 * Kernel shapes: how many invocations share a weight row, and how much one invocation computes.
 *
 * Two families. *Narrow* is for software adapters, whose invocations are lanes of one SIMD register
 * that load one by one: a lane walks its own weight rows, nothing is reduced between lanes. *Wide* is
 * for GPUs: several lanes read one weight row together, so that loads coalesce, and add up in
 * workgroup memory.
 *
 * Invariant: `lanes` and the attention chunk decide in which order a row is accumulated, so they
 * depend on the family and the matrix only, never on the batch or on a timing. All else may change
 * without changing a bit of the result.
 */

import { type WeightFormat, type WeightWidth, widthOf } from "./weight_format.ts";

export interface KernelShapes {
  readonly family: "narrow" | "wide";
  /** Invocations of a workgroup in linear and element-wise kernels. */
  readonly workgroup: number;
  /** Invocations that normalise one row. */
  readonly normWorkgroup: number;
  /** Invocations that attend for one row and KV head. */
  readonly attentionWorkgroup: number;
  /** Positions between two rescalings of the online softmax; a multiple of 16. */
  readonly attentionChunk: number;
  /** Activation rows that a linear workgroup may take at once: 1, then ascending. */
  readonly tiles: readonly number[];
  /** Weight rows whose units alternate in memory, by width of the weights. */
  readonly rowsTogether: Readonly<Record<WeightWidth, number>>;
}

/** The shape of one linear kernel. */
export interface LinearShape {
  readonly workgroup: number;
  /** Invocations that share a weight row; divides `workgroup`. */
  readonly lanes: number;
  /** Weight rows of one invocation. */
  readonly outputsPerThread: number;
  /** Activation rows of one workgroup. */
  readonly tile: number;
}

export const NARROW_SHAPES: KernelShapes = {
  family: "narrow",
  workgroup: 8,
  normWorkgroup: 8,
  attentionWorkgroup: 8,
  attentionChunk: 16,
  tiles: [1, 2, 3],
  // A workgroup reads one run of memory: 1.5 times as fast for nibbles, 1.1 for bytes.
  rowsTogether: { nibbles: 64, bytes: 32, plain: 1 },
};

export const WIDE_SHAPES: KernelShapes = {
  family: "wide",
  workgroup: 64,
  normWorkgroup: 128,
  attentionWorkgroup: 64,
  attentionChunk: 64,
  tiles: [1, 2, 4, 8],
  rowsTogether: { nibbles: 1, bytes: 1, plain: 1 },
};

/** The shapes for an adapter. */
export function shapesFor(adapter: { readonly isSoftware: boolean }): KernelShapes {
  return adapter.isSoftware ? NARROW_SHAPES : WIDE_SHAPES;
}

/** The linear shape for weights of `format` whose rows are `units` load units long. */
export function linearShape(
  shapes: KernelShapes,
  options: { readonly format: WeightFormat; readonly units: number; readonly tile: number },
): LinearShape {
  const { workgroup } = shapes;
  const { format, units, tile } = options;
  if (shapes.family === "wide") {
    return { workgroup, lanes: units >= 32 ? 16 : 8, outputsPerThread: 2, tile };
  }
  return { workgroup, lanes: 1, outputsPerThread: narrowOutputs(format, tile), tile };
}

/** Measured on llvmpipe: more weight rows reuse a loaded activation, until registers run out. */
function narrowOutputs(format: WeightFormat, tile: number): number {
  const width = widthOf(format);
  if (width === "nibbles") return 8;
  if (tile > 1) return 6;
  return width === "bytes" ? 4 : 8;
}

/** Rows of a sequence that one attention workgroup takes together, fewer for more shared heads. */
export function attentionTile(
  shapes: KernelShapes,
  shape: { readonly heads: number; readonly kvHeads: number; readonly headDim: number },
): number {
  const sharing = shape.heads / shape.kvHeads;
  const most = shapes.family === "narrow"
    ? NARROW_QUERIES
    : WIDE_QUERY_BYTES / (4 * (shape.headDim + shapes.attentionChunk));
  return [4, 2].find((tile) => tile * sharing <= most) ?? 1;
}

/** Queries that an invocation holds in registers. Twelve are no faster and compile for seconds. */
const NARROW_QUERIES = 6;
/** Workgroup memory for queries and their weights: what every adapter has. */
const WIDE_QUERY_BYTES = 16_384;

/** Rows `start` to `start + count * tile`, taken `tile` at a time. */
export interface RowSplit {
  readonly tile: number;
  readonly count: number;
  readonly start: number;
}

/** Splits `rows` into whole tiles of the largest size, and one smaller tile for what is left. */
export function splitRows(rows: number, tiles: readonly number[]): RowSplit[] {
  const largest = tiles[tiles.length - 1];
  const count = Math.floor(rows / largest);
  const rest = rows - count * largest;
  const splits: RowSplit[] = [];
  if (count > 0) splits.push({ tile: largest, count, start: 0 });
  const tile = tiles.find((size) => size >= rest);
  if (rest > 0 && tile !== undefined) splits.push({ tile, count: 1, start: count * largest });
  return splits;
}

/** One sentence for logs. */
export function describeShapes(shapes: KernelShapes): string {
  return `${shapes.family} kernels, workgroup ${shapes.workgroup}, row tiles ${
    shapes.tiles.join("/")
  }`;
}
