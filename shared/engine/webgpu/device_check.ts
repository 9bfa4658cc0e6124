/**
 * What a device must get right before a model is loaded onto it.
 *
 * Drivers fail silently: Mesa 22.3's llvmpipe ends all loops of an invocation after 65,535
 * iterations, others get 8-bit unpacking or workgroup memory wrong. A model on such a device answers
 * with nonsense, so each kind of kernel that the model needs is compared with plain TypeScript on a
 * small case, and the device is refused with what is wrong.
 */

import type { ModelShape } from "../../weights/model_file.ts";
import { ropeTable } from "../rope_table.ts";
import { BLOCK_TOKENS, DeviceError } from "../backend.ts";
import type { Gpu } from "./device.ts";
import { attentionTile, type KernelShapes } from "./kernel_shapes.ts";
import { encodeRows } from "./launch.ts";
import type { LlamaPlan } from "./llama_weights.ts";
import { Attention, MAX_POSITIONS_WITH_LOOP_CAP } from "./ops/attention/attention.ts";
import { attentionReference } from "./ops/attention/attention_reference.ts";
import { Linear } from "./ops/linear/linear.ts";
import { linearReference } from "./ops/linear/linear_reference.ts";
import { ropeKv } from "./ops/rope_kv/rope_kv.ts";
import { ropeReference } from "./ops/rope_kv/rope_reference.ts";
import { readBuffer } from "./readback.ts";
import { RowRange } from "./row_range.ts";
import { tensorReader, testTensor, testValues } from "./test_tensor.ts";
import { packStep, StepBuffers } from "./step_rows.ts";
import { allocateMatrix, fillMatrix, type MatrixPlan } from "./weight_matrix.ts";

/** Largest error, as a share of the largest value. F32 kernels stay some hundred times below. */
const TOLERANCE = 1e-4;
const LOOP_CAP = 65_535;
/** Weight rows of each matrix that are compared. */
const TESTED_OUTPUTS = 40;

export interface DeviceCheckOptions {
  readonly plan: LlamaPlan;
  readonly shape: ModelShape;
  readonly shapes: KernelShapes;
  /** Positions that a sequence may have. */
  readonly maxPositions: number;
}

/** Rejects with a DeviceError that says what the device gets wrong. */
export async function checkDevice(gpu: Gpu, options: DeviceCheckOptions): Promise<void> {
  const { plan, shapes } = options;
  await gpu.temporary(() =>
    gpu.checked(`test ${gpu.adapter}`, async () => {
      await testLoops(gpu, options.maxPositions);
      for (const linear of linearCases(plan)) await testLinear(gpu, { ...linear, shapes });
      await testAttention(gpu, options);
    })
  );
}

/** Counts to 65,536 in one loop. */
async function testLoops(gpu: Gpu, maxPositions: number): Promise<void> {
  const turns = LOOP_CAP + 1;
  const code = `
@group(0) @binding(0) var<storage, read_write> count: array<u32>;
@compute @workgroup_size(1)
fn main() {
  var turns = 0u;
  for (var i = 0u; i < ${turns}u; i++) { turns += 1u + (count[1] & 0u); }
  count[0] = turns;
}`;
  const count = gpu.storage("loop count", 16);
  const kernel = gpu.kernel("loop count", code, ["read_write"]);
  const bindings = gpu.bind(kernel, [count]);
  submit(gpu, (pass) => encodeRows(pass, { kernel, bindings, workgroups: 1 }, 1));
  const [counted] = new Uint32Array((await readBuffer(gpu, count)).buffer);
  if (counted === turns) return;
  if (counted < LOOP_CAP) {
    throw wrong(gpu, `a loop of ${turns} turns ended after ${counted}`);
  }
  if (maxPositions > MAX_POSITIONS_WITH_LOOP_CAP) {
    throw new DeviceError(
      `Cannot serve sequences of ${maxPositions} tokens on ${gpu.adapter}: its driver ends loops ` +
        `after ${counted} turns, which allows ${MAX_POSITIONS_WITH_LOOP_CAP}: install Mesa 25 or ` +
        "newer, or lower kvCacheTokens",
    );
  }
}

/** A linear kernel of the model: its matrix, and whether it adds to its output. */
interface LinearCase {
  readonly matrix: MatrixPlan;
  readonly isAdding: boolean;
}

/** The linear kernels of the model, each once. */
function linearCases(plan: LlamaPlan): LinearCase[] {
  const cases = new Map<string, LinearCase>();
  const add = (matrix: MatrixPlan, isAdding: boolean) => {
    const parts = matrix.parts.map(({ layout, rows }) => `${layout.format} ${rows}`);
    cases.set([matrix.columns, isAdding, ...parts].join(), { matrix, isAdding });
  };
  for (const layer of plan.layers) {
    add(layer.qkv, false);
    add(layer.attentionOutput, true);
    add(layer.gateUp, false);
    add(layer.down, true);
  }
  add(plan.output, false);
  return [...cases.values()];
}

/**
 * A whole tile of rows and one more, times a matrix of the model's size whose first weight rows hold
 * test values: the kernels are those that the model will run, so they are compiled only once.
 */
async function testLinear(
  gpu: Gpu,
  { matrix, isAdding, shapes }: LinearCase & { readonly shapes: KernelShapes },
): Promise<void> {
  const { columns } = matrix;
  const largest = shapes.tiles[shapes.tiles.length - 1];
  const rows = largest + 1;
  const tensors = matrix.parts.map((part, i) => {
    const { type } = part.sources[0].tensor;
    return testTensor(type, [Math.min(TESTED_OUTPUTS, part.rows), columns], i);
  });
  const weights = allocateMatrix(gpu, {
    ...matrix,
    parts: matrix.parts.map((part, i) => {
      const source = { tensor: tensors[i].info, tensorRow: 0, rows: tensors[i].info.shape[0] };
      return { ...part, sources: [source] };
    }),
  });
  await fillMatrix(gpu, weights, { file: tensorReader(tensors) });
  const x = testValues(rows * columns, 2);
  const input = gpu.storage("test input", 2 * largest * columns * 4);
  gpu.device.queue.writeBuffer(input, 0, x);
  const output = gpu.storage("test output", rows * matrix.rows * 4);
  const range = new RowRange(gpu, { label: "test", tiles: shapes.tiles });
  const linear = new Linear(gpu, { weights, shapes, input, output, range, isAdding });
  range.set(rows);
  submit(gpu, (pass) => linear.encode(pass));
  const y = new Float32Array((await readBuffer(gpu, output)).buffer);
  for (const [i, part] of weights.parts.entries()) {
    const { type, shape: [outputs] } = tensors[i].info;
    const actual = new Float32Array(rows * outputs);
    for (let row = 0; row < rows; row++) {
      const at = row * matrix.rows + part.start;
      actual.set(y.subarray(at, at + outputs), row * outputs);
    }
    const expected = linearReference(x, tensors[i].values, columns);
    compare(gpu, { what: `a product with ${type} weights`, actual, expected });
  }
}

/** A tile of rows and one more that attend over three blocks, in the model's head shape. */
async function testAttention(gpu: Gpu, { shape, shapes }: DeviceCheckOptions): Promise<void> {
  const { heads, kvHeads, headDim } = shape;
  const blockTable = [2, 0, 1];
  const maxPositions = blockTable.length * BLOCK_TOKENS;
  const tile = attentionTile(shapes, shape);
  const [earlier, rows] = [maxPositions - tile - 3, tile + 1];
  const positions = earlier + rows;
  const kvWidth = kvHeads * headDim;
  const cache = {
    keys: testValues(positions * kvWidth, 3),
    values: testValues(positions * kvWidth, 4),
  };
  const qkv = testValues(rows * (heads + 2 * kvHeads) * headDim, 5);
  const bounds = {
    maxRows: rows,
    maxSlices: 1,
    totalBlocks: blockTable.length,
    vocab: 1,
    maxPositions,
    attentionTile: tile,
  };
  const tokens = Array.from({ length: rows }, () => 0);
  const slice = { blockTable, startPosition: earlier, tokens, sample: null };

  const step = new StepBuffers(gpu, bounds);
  const packed = packStep([slice], bounds);
  step.write(packed);
  const keys = pagedBuffer(gpu, { values: cache.keys, blockTable, kvWidth, positions: earlier });
  const values = pagedBuffer(gpu, {
    values: cache.values,
    blockTable,
    kvWidth,
    positions: earlier,
  });
  const qkvBuffer = gpu.storageFrom("test qkv", qkv);
  const output = gpu.storage("test output", rows * heads * headDim * 4);
  const table = gpu.storageFrom("test angles", ropeTable(maxPositions, shape));
  const buffers = { shape, shapes, qkv: qkvBuffer, step, keys, values };
  const rope = ropeKv(gpu, { ...buffers, table });
  const attend = new Attention(gpu, { ...buffers, output });
  submit(gpu, (pass) => {
    encodeRows(pass, rope, rows);
    attend.encode(pass, packed);
  });

  const expected = new Float32Array(rows * heads * headDim);
  const width = qkv.length / rows;
  for (let row = 0; row < rows; row++) {
    const [position, at] = [earlier + row, row * width];
    const query = qkv.slice(at, at + heads * headDim);
    const key = qkv.slice(at + query.length, at + query.length + kvWidth);
    ropeReference(query, position, shape);
    ropeReference(key, position, shape);
    cache.keys.set(key, position * kvWidth);
    cache.values.set(qkv.subarray(at + query.length + kvWidth, at + width), position * kvWidth);
    const seen = {
      keys: cache.keys.subarray(0, (position + 1) * kvWidth),
      values: cache.values.subarray(0, (position + 1) * kvWidth),
    };
    expected.set(attentionReference(query, seen, shape), row * heads * headDim);
  }
  const actual = new Float32Array((await readBuffer(gpu, output)).buffer);
  compare(gpu, { what: "attention", actual, expected });
}

/** A cache buffer with the first `positions` rows of `values` at their places in `blockTable`. */
function pagedBuffer(
  gpu: Gpu,
  options: {
    readonly values: Float32Array<ArrayBuffer>;
    readonly blockTable: readonly number[];
    readonly kvWidth: number;
    readonly positions: number;
  },
): GPUBuffer {
  const { values, blockTable, kvWidth, positions } = options;
  const paged = new Float32Array(blockTable.length * BLOCK_TOKENS * kvWidth);
  for (let position = 0; position < positions; position++) {
    const block = blockTable[Math.floor(position / BLOCK_TOKENS)];
    const slot = block * BLOCK_TOKENS + position % BLOCK_TOKENS;
    paged.set(values.subarray(position * kvWidth, (position + 1) * kvWidth), slot * kvWidth);
  }
  return gpu.storageFrom("test cache", paged);
}

function compare(
  gpu: Gpu,
  result: {
    readonly what: string;
    readonly actual: Float32Array;
    readonly expected: Float32Array;
  },
): void {
  let largest = 0;
  let error = 0;
  for (const [i, value] of result.expected.entries()) {
    largest = Math.max(largest, Math.abs(value));
    error = Math.max(error, Math.abs(result.actual[i] - value));
  }
  if (!(error <= TOLERANCE * largest)) {
    throw wrong(gpu, `${result.what} is off by ${error} in values up to ${largest}`);
  }
}

function submit(gpu: Gpu, encode: (pass: GPUComputePassEncoder) => void): void {
  const encoder = gpu.device.createCommandEncoder({ label: "device check" });
  const pass = encoder.beginComputePass();
  encode(pass);
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
}

function wrong(gpu: Gpu, reason: string): DeviceError {
  return new DeviceError(
    `Cannot use ${gpu.adapter}: it failed the self-test: ${reason}. Update its driver or choose ` +
      "another adapter",
  );
}
