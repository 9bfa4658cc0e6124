import { assertEquals } from "@std/assert/mod.js";
import type { Gpu } from "../../../shared/engine/webgpu/device.ts";
import type { KernelShapes } from "../../../shared/engine/webgpu/kernel_shapes.ts";
import { Linear } from "../../../shared/engine/webgpu/ops/linear/linear.ts";
import { linearReference } from "../../../shared/engine/webgpu/ops/linear/linear_reference.ts";
import { RowRange } from "../../../shared/engine/webgpu/row_range.ts";
import {
  tensorReader,
  type TestTensor,
  testTensor,
  testValues,
} from "../../../shared/engine/webgpu/test_tensor.ts";
import {
  allocateMatrix,
  fillMatrix,
  planMatrix,
} from "../../../shared/engine/webgpu/weight_matrix.ts";
import { supportedTensorTypes } from "../../../shared/weights/tensor_types.ts";
import { assertClose, kernelTest, readFloats, runPass } from "./kernel_run.ts";

/** F32 sums of some hundred products stay below this share of the largest result. */
const TOLERANCE = 1e-5;

interface Case {
  readonly tensors: readonly TestTensor[];
  readonly x: Float32Array<ArrayBuffer>;
  readonly isAdding?: boolean;
  readonly before?: Float32Array<ArrayBuffer>;
  readonly maxBindingBytes?: number;
}

/** x times the stacked tensors, computed in one go. [rows, outputs] */
async function multiply(gpu: Gpu, shapes: KernelShapes, test: Case): Promise<Float32Array> {
  const { tensors, x, isAdding, before } = test;
  const columns = tensors[0].info.shape[1];
  const rows = x.length / columns;
  const { maxBindingBytes = 2 ** 27 } = test;
  const infos = tensors.map(({ info }) => info);
  const plan = planMatrix("test", infos, { shapes, maxBindingBytes });
  const weights = allocateMatrix(gpu, plan);
  await fillMatrix(gpu, weights, { file: tensorReader(tensors) });
  const input = gpu.storage("x", (rows + 8) * columns * 4);
  gpu.device.queue.writeBuffer(input, 0, x);
  const output = before ? gpu.storageFrom("y", before) : gpu.storage("y", rows * weights.rows * 4);
  const range = new RowRange(gpu, { label: "test", tiles: shapes.tiles });
  const linear = new Linear(gpu, { weights, shapes, input, output, range, isAdding });
  range.set(rows);
  runPass(gpu, (pass) => linear.encode(pass));
  return (await readFloats(gpu, output)).subarray(0, rows * weights.rows);
}

function expectedOf({ tensors, x }: Case): Float32Array<ArrayBuffer> {
  const columns = tensors[0].info.shape[1];
  const total = tensors.reduce((sum, { values }) => sum + values.length, 0);
  const stacked = new Float32Array(total);
  let at = 0;
  for (const { values } of tensors) {
    stacked.set(values, at);
    at += values.length;
  }
  return linearReference(x, stacked, columns);
}

kernelTest(
  "Linear equals the reference for every tensor type, and gives a row the same bits in every batch",
  async (gpu, shapes) => {
    const [outputs, columns, rows] = [61, 512, 13];
    for (const type of supportedTensorTypes()) {
      const tensors = [testTensor(type, [outputs, columns], 1)];
      const x = testValues(rows * columns, 2);
      const together = await multiply(gpu, shapes, { tensors, x });
      assertClose(together, expectedOf({ tensors, x }), TOLERANCE);
      for (const [start, count] of [[0, 1], [5, 1], [3, 2], [6, 3], [1, 4], [4, 8], [0, 9]]) {
        const part = x.slice(start * columns, (start + count) * columns);
        const alone = await multiply(gpu, shapes, { tensors, x: part });
        const expected = together.subarray(start * outputs, (start + count) * outputs);
        assertEquals(alone, expected, `${type}, ${count} rows from ${start}`);
      }
    }
  },
);

kernelTest(
  "Linear takes column counts that are no multiple of 64, or of 8 in F32",
  async (gpu, shapes) => {
    for (
      const [type, columns] of [["F32", 36], ["F16", 40], ["Q8_0", 288], ["Q4_1", 96]] as const
    ) {
      const test = { tensors: [testTensor(type, [33, columns], 3)], x: testValues(3 * columns, 4) };
      assertClose(await multiply(gpu, shapes, test), expectedOf(test), TOLERANCE);
    }
  },
);

kernelTest("Linear stacks tensors of different types side by side", async (gpu, shapes) => {
  const tensors = [
    testTensor("Q4_1", [40, 256], 5),
    testTensor("Q4_1", [24, 256], 6),
    testTensor("Q6_K", [24, 256], 7),
  ];
  const test = { tensors, x: testValues(5 * 256, 8) };
  assertClose(await multiply(gpu, shapes, test), expectedOf(test), TOLERANCE);
});

kernelTest("Linear splits a matrix that passes the binding limit", async (gpu, shapes) => {
  const tensors = [testTensor("Q8_0", [100, 256], 9), testTensor("Q8_0", [30, 256], 10)];
  const x = testValues(6 * 256, 11);
  const whole = await multiply(gpu, shapes, { tensors, x });
  const split = await multiply(gpu, shapes, { tensors, x, maxBindingBytes: 64 * 256 });
  assertEquals(split, whole);
});

kernelTest("Linear with isAdding adds to what is there", async (gpu, shapes) => {
  const before = testValues(3 * 50, 12);
  const test = { tensors: [testTensor("Q4_0", [50, 128], 13)], x: testValues(3 * 128, 14) };
  const expected = expectedOf(test).map((value, i) => value + before[i]);
  const actual = await multiply(gpu, shapes, { ...test, isAdding: true, before });
  assertClose(actual, expected, TOLERANCE);
});
