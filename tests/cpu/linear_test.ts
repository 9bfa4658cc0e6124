import { assert, assertEquals } from "@std/assert/mod.js";
import { compileKernels, multipliesBytes } from "../../shared/engine/cpu/kernel_module.ts";
import { MemoryPlan } from "../../shared/engine/cpu/memory_plan.ts";
import { fillMatrix, planMatrix, stagingBytes } from "../../shared/engine/cpu/weight_panels.ts";
import { linearReference } from "../../shared/engine/webgpu/ops/linear/linear_reference.ts";
import {
  tensorReader,
  type TestTensor,
  testTensor,
  testValues,
} from "../../shared/engine/webgpu/test_tensor.ts";
import { supportedTensorTypes } from "../../shared/weights/tensor_types.ts";
import { KernelRun } from "./kernel_run.ts";

/** Of activations in 16 bits, by the largest result. */
const TOLERANCE = 1e-4;
/** The kinds of dot product that are exact on this CPU: whether of bytes. */
const DOTS = multipliesBytes(await compileKernels()) ? [true, false] : [false];

interface Case {
  readonly tensors: readonly TestTensor[];
  /** [rows, columns] */
  readonly x: Float32Array<ArrayBuffer>;
  readonly hasByteDot: boolean;
  /** What results are added to. */
  readonly before?: Float32Array<ArrayBuffer>;
}

/** x times the stacked tensors. The norm's weights are such that it only quantises x. */
async function multiply({ tensors, x, hasByteDot, before }: Case): Promise<Float32Array> {
  const columns = tensors[0].info.shape[1];
  const rows = x.length / columns;
  const plan = new MemoryPlan();
  const matrix = planMatrix({ label: "test", tensors: tensors.map(({ info }) => info) }, plan);
  const reserve = (bytes: number) => plan.reserve("activations", bytes);
  const input = reserve(x.byteLength);
  const [gate, quantised] = [reserve(2 * x.byteLength), reserve(x.byteLength)];
  const [quants, info] = [reserve(2 * x.length), reserve(x.length)];
  const output = reserve(rows * matrix.rows * 4);
  const piece = new Uint8Array(stagingBytes(matrix));
  const staging = reserve(piece.length);
  const kernel = new KernelRun(plan, columns * 40);
  await fillMatrix(matrix, {
    file: tensorReader(tensors),
    memory: kernel.memory,
    kernels: kernel.kernels,
    staging,
    piece,
    onRead: () => {},
  });
  kernel.floats(input, x.length).set(x);
  if (before) kernel.floats(output, before.length).set(before);
  const dot = hasByteDot ? 1 : 0;
  // silu(g) * x / silu(g): a gate of 32 is its own silu, so x comes back quantised.
  const gated = kernel.floats(gate, 2 * x.length);
  for (let row = 0; row < rows; row++) {
    gated.subarray(2 * row * columns, (2 * row + 1) * columns).fill(32);
    const values = x.subarray(row * columns, (row + 1) * columns);
    gated.set(values.map((value) => value / 32), (2 * row + 1) * columns);
  }
  const isQuantised = matrix.parts.some((part) => part.isQuantised);
  kernel.run(rows, {
    kind: "swiglu",
    parameters: [gate, 0, columns, 0, 0, quantised, isQuantised ? quants : 0, info, dot],
  });
  for (const part of matrix.parts) {
    kernel.run(rows, {
      kind: "linear",
      parameters: [
        part.format,
        part.address,
        part.panelBytes,
        columns,
        part.rows,
        input,
        quants,
        info,
        dot,
        output + part.start * 4,
        matrix.rows,
        before ? 1 : 0,
      ],
    });
  }
  return kernel.floats(output, rows * matrix.rows).slice();
}

function expectedOf({ tensors, x, before }: Case): Float32Array {
  const columns = tensors[0].info.shape[1];
  const stacked = Float32Array.from(tensors.flatMap(({ values }) => [...values]));
  const result = linearReference(x, stacked, columns);
  return before ? result.map((value, i) => value + before[i]) : result;
}

function assertClose(actual: Float32Array, expected: Float32Array, what: string): void {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (const [i, value] of expected.entries()) {
    const error = Math.abs(actual[i] - value);
    assert(error <= TOLERANCE * largest, `${what}: value ${i} is ${actual[i]}, not ${value}`);
  }
}

Deno.test("linear kernels equal the reference for every tensor type, and give a row the same bits in every batch", async () => {
  const [outputs, columns, rows] = [61, 512, 13];
  for (const type of supportedTensorTypes()) {
    const tensors = [testTensor(type, [outputs, columns], 1)];
    const x = testValues(rows * columns, 2);
    const together = await multiply({ tensors, x, hasByteDot: false });
    assertClose(together, expectedOf({ tensors, x, hasByteDot: false }), type);
    for (const hasByteDot of DOTS) {
      for (const [start, count] of [[0, 1], [5, 1], [3, 2], [6, 3], [1, 4], [4, 8], [0, 13]]) {
        const part = x.slice(start * columns, (start + count) * columns);
        const alone = await multiply({ tensors, x: part, hasByteDot });
        const expected = together.slice(start * outputs, (start + count) * outputs);
        assertEquals(alone, expected, `${type}, ${count} rows from ${start}, ${hasByteDot}`);
      }
    }
  }
});

Deno.test("linear kernels stack tensors of different types, and add to what is there", async () => {
  const tensors = [
    testTensor("Q4_1", [40, 256], 5),
    testTensor("Q4_1", [21, 256], 6),
    testTensor("Q6_K", [9, 256], 7),
    testTensor("F32", [3, 256], 8),
  ];
  for (const hasByteDot of DOTS) {
    const [x, before] = [testValues(5 * 256, 8), testValues(5 * 73, 12)];
    const test = { tensors, x, before, hasByteDot };
    assertClose(await multiply(test), expectedOf(test), "stacked");
  }
});

Deno.test("linear kernels take blocks of zeros and of outliers", async () => {
  const x = new Float32Array(96);
  x[40] = 3e5;
  x.fill(1e-3, 64);
  for (const hasByteDot of DOTS) {
    const test = { tensors: [testTensor("Q8_0", [16, 96], 3)], x, hasByteDot };
    assertClose(await multiply(test), expectedOf(test), "outliers");
    const zero = await multiply({ ...test, x: new Float32Array(96) });
    assertEquals(zero, new Float32Array(16));
  }
});
