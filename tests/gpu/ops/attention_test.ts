import { assertEquals } from "@std/assert/mod.js";
import { BLOCK_TOKENS, type SequenceSlice } from "../../../shared/engine/backend.ts";
import { blocksFor } from "../../../shared/engine/kv_layout.ts";
import { ropeTable } from "../../../shared/engine/rope_table.ts";
import type { Gpu } from "../../../shared/engine/webgpu/device.ts";
import { attentionTile, type KernelShapes } from "../../../shared/engine/webgpu/kernel_shapes.ts";
import { encodeRows } from "../../../shared/engine/webgpu/launch.ts";
import {
  Attention,
  MAX_POSITIONS_WITH_LOOP_CAP,
} from "../../../shared/engine/webgpu/ops/attention/attention.ts";
import { attentionReference } from "../../../shared/engine/webgpu/ops/attention/attention_reference.ts";
import { ropeKv } from "../../../shared/engine/webgpu/ops/rope_kv/rope_kv.ts";
import { ropeReference } from "../../../shared/engine/webgpu/ops/rope_kv/rope_reference.ts";
import { testValues } from "../../../shared/engine/webgpu/test_tensor.ts";
import { packStep, StepBuffers } from "../../../shared/engine/webgpu/step_rows.ts";
import { assertClose, kernelTest, readFloats, runPass } from "./kernel_run.ts";

interface Heads {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly ropeDim: number;
  readonly ropeTheta: number;
}

const STORIES: Heads = { heads: 6, kvHeads: 6, headDim: 48, ropeDim: 48, ropeTheta: 1e4 };
const SMOLLM: Heads = { heads: 9, kvHeads: 3, headDim: 64, ropeDim: 64, ropeTheta: 1e5 };
const PARTIAL: Heads = { heads: 4, kvHeads: 1, headDim: 20, ropeDim: 8, ropeTheta: 1e4 };
const SHARED: Heads = { heads: 7, kvHeads: 1, headDim: 32, ropeDim: 32, ropeTheta: 1e4 };

/** Sequences on a paged cache, computed by `rope_kv` and `attention` some rows at a time. */
class AttentionRun {
  readonly #gpu: Gpu;
  readonly #shapes: KernelShapes;
  readonly #heads: Heads;
  readonly keys: GPUBuffer;
  readonly values: GPUBuffer;
  readonly #bounds;

  constructor(gpu: Gpu, shapes: KernelShapes, heads: Heads, totalBlocks = 64) {
    this.#gpu = gpu;
    this.#shapes = shapes;
    this.#heads = heads;
    const bytes = totalBlocks * BLOCK_TOKENS * heads.kvHeads * heads.headDim * 4;
    this.keys = gpu.storage("keys", bytes);
    this.values = gpu.storage("values", bytes);
    this.#bounds = {
      maxRows: 600,
      maxSlices: 4,
      totalBlocks,
      vocab: 1,
      maxPositions: totalBlocks * BLOCK_TOKENS,
      attentionTile: attentionTile(shapes, heads),
    };
  }

  /** Runs rows of several sequences. @param qkv [rows, (heads + 2 * kvHeads) * headDim] */
  async step(slices: readonly SequenceSlice[], qkv: Float32Array<ArrayBuffer>) {
    const { heads, headDim } = this.#heads;
    const packed = packStep(slices, this.#bounds);
    const step = new StepBuffers(this.#gpu, this.#bounds);
    step.write(packed);
    const output = this.#gpu.storage("output", packed.rows * heads * headDim * 4);
    const buffers = {
      shape: this.#heads,
      shapes: this.#shapes,
      qkv: this.#gpu.storageFrom("qkv", qkv),
      step,
      keys: this.keys,
      values: this.values,
    };
    const table = ropeTable(this.#bounds.maxPositions, this.#heads);
    const rope = ropeKv(this.#gpu, { ...buffers, table: this.#gpu.storageFrom("table", table) });
    const attend = new Attention(this.#gpu, { ...buffers, output });
    runPass(this.#gpu, (pass) => {
      encodeRows(pass, rope, packed.rows);
      attend.encode(pass, packed);
    });
    return await readFloats(this.#gpu, output);
  }
}

function slice(startPosition: number, rows: number, firstBlock: number): SequenceSlice {
  const count = blocksFor(startPosition + rows);
  // Blocks of a sequence lie in reverse, so that a kernel that ignores the table is found out.
  const blockTable = Array.from({ length: count }, (_, i) => firstBlock + count - 1 - i);
  return { blockTable, startPosition, tokens: new Array(rows).fill(0), sample: null };
}

/** All rows of one sequence from position 0 on. [rows, heads * headDim] */
function reference(qkv: Float32Array, heads: Heads): Float32Array<ArrayBuffer> {
  const { kvHeads, headDim } = heads;
  const [queryWidth, kvWidth] = [heads.heads * headDim, kvHeads * headDim];
  const width = queryWidth + 2 * kvWidth;
  const rows = qkv.length / width;
  const keys = new Float32Array(rows * kvWidth);
  const values = new Float32Array(rows * kvWidth);
  const output = new Float32Array(rows * queryWidth);
  for (let row = 0; row < rows; row++) {
    const at = row * width;
    const query = qkv.slice(at, at + queryWidth);
    const key = qkv.slice(at + queryWidth, at + queryWidth + kvWidth);
    ropeReference(query, row, heads);
    ropeReference(key, row, heads);
    keys.set(key, row * kvWidth);
    values.set(qkv.subarray(at + queryWidth + kvWidth, at + width), row * kvWidth);
    const end = (row + 1) * kvWidth;
    const seen = { keys: keys.subarray(0, end), values: values.subarray(0, end) };
    output.set(attentionReference(query, seen, heads), row * queryWidth);
  }
  return output;
}

function widthOf({ heads, kvHeads, headDim }: Heads): number {
  return (heads + 2 * kvHeads) * headDim;
}

for (const [name, heads] of Object.entries({ STORIES, SMOLLM, PARTIAL, SHARED })) {
  kernelTest(`attention() equals the reference in the head shape ${name}`, async (gpu, shapes) => {
    const rows = 70;
    const qkv = testValues(rows * widthOf(heads), 1);
    const run = new AttentionRun(gpu, shapes, heads);
    const actual = await run.step([slice(0, rows, 0)], qkv);
    assertClose(actual, reference(qkv, heads), 2e-5);
  });
}

kernelTest(
  "attention() gives a row the same bits whole, in chunks and one by one",
  async (gpu, shapes) => {
    const rows = 83;
    const width = widthOf(SMOLLM);
    const qkv = testValues(rows * width, 2);
    const run = new AttentionRun(gpu, shapes, SMOLLM);
    const whole = await run.step([slice(0, rows, 0)], qkv);
    const outWidth = SMOLLM.heads * SMOLLM.headDim;
    let at = 0;
    for (const size of [16, 1, 1, 2, 3, 5, 20, 35]) {
      const part = qkv.slice(at * width, (at + size) * width);
      const table = slice(0, rows, 20).blockTable;
      const actual = await run.step([{ ...slice(at, size, 20), blockTable: table }], part);
      assertEquals(actual, whole.slice(at * outWidth, (at + size) * outWidth), `rows from ${at}`);
      at += size;
    }
  },
);

kernelTest("attention() keeps the sequences of a step apart", async (gpu, shapes) => {
  const sizes = [17, 1, 40];
  const width = widthOf(STORIES);
  const inputs = sizes.map((size, i) => testValues(size * width, 10 + i));
  const alone: Float32Array[] = [];
  for (const [i, size] of sizes.entries()) {
    const run = new AttentionRun(gpu, shapes, STORIES);
    alone.push(await run.step([slice(0, size, 7 * i)], inputs[i]));
  }
  const all = Float32Array.from(inputs.flatMap((input) => Array.from(input)));
  const run = new AttentionRun(gpu, shapes, STORIES);
  const together = await run.step(sizes.map((size, i) => slice(0, size, 7 * i)), all);
  assertEquals(together, Float32Array.from(alone.flatMap((rows) => Array.from(rows))));
});

kernelTest(
  "attention() survives scores far apart and ignores blocks past the row",
  async (gpu, shapes) => {
    const rows = 20;
    const width = widthOf(PARTIAL);
    const qkv = testValues(rows * width, 20).map((value) => value * 60);
    const run = new AttentionRun(gpu, shapes, PARTIAL);
    // What an earlier owner of the blocks left behind must not reach this sequence.
    const stale = new Float32Array(run.values.size / 4).fill(NaN);
    gpu.device.queue.writeBuffer(run.keys, 0, stale);
    gpu.device.queue.writeBuffer(run.values, 0, stale);
    const actual = await run.step([slice(0, rows, 3)], qkv);
    assertClose(actual, reference(qkv, PARTIAL), 60 * 2e-4);
  },
);

kernelTest(
  "attention() is right up to the last position that capped loops allow",
  async (gpu, shapes) => {
    const heads = { heads: 1, kvHeads: 1, headDim: 4, ropeDim: 4, ropeTheta: 1e6 };
    const earlier = MAX_POSITIONS_WITH_LOOP_CAP - 1;
    const run = new AttentionRun(gpu, shapes, heads, blocksFor(MAX_POSITIONS_WITH_LOOP_CAP));
    // Equal keys weigh all positions alike, so the answer is the mean of the values.
    const values = testValues(run.values.size / 4, 30);
    // The last position before the row's own, in the table's last block: block 0.
    values.fill(1000, 14 * heads.headDim, 15 * heads.headDim);
    gpu.device.queue.writeBuffer(run.values, 0, values);
    const qkv = new Float32Array(3 * heads.headDim);
    const actual = await run.step([{ ...slice(earlier, 1, 0) }], qkv);
    // The step overwrites one position with zeros, which moves a mean of 36,864 by less than 2.8e-5.
    const mean = new Float64Array(heads.headDim);
    for (const [i, value] of values.entries()) {
      mean[i % heads.headDim] += value /
        (values.length / 4);
    }
    assertClose(actual, Float32Array.from(mean), 5e-5);
  },
);

Deno.test("ropeTable() holds cosine and sine of position times frequency", () => {
  const table = ropeTable(100, { ropeDim: 4, ropeTheta: 100 });
  assertEquals(table.length, 100 * 4);
  assertEquals([...table.subarray(0, 4)], [1, 0, 1, 0]);
  const expected = [Math.cos(99), Math.sin(99), Math.cos(9.9), Math.sin(9.9)].map(Math.fround);
  assertClose(table.subarray(99 * 4), Float32Array.from(expected), 1e-6);
});
