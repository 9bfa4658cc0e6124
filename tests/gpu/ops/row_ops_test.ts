import { assertEquals } from "@std/assert/mod.js";
import { encodeRows } from "../../../shared/engine/webgpu/launch.ts";
import { Embed } from "../../../shared/engine/webgpu/ops/embed/embed.ts";
import { RmsNorm } from "../../../shared/engine/webgpu/ops/rms_norm/rms_norm.ts";
import { rmsNormReference } from "../../../shared/engine/webgpu/ops/rms_norm/rms_norm_reference.ts";
import { swiglu } from "../../../shared/engine/webgpu/ops/swiglu/swiglu.ts";
import { swigluReference } from "../../../shared/engine/webgpu/ops/swiglu/swiglu_reference.ts";
import { tensorReader, testTensor, testValues } from "../../../shared/engine/webgpu/test_tensor.ts";
import {
  allocateMatrix,
  fillMatrix,
  planMatrix,
} from "../../../shared/engine/webgpu/weight_matrix.ts";
import { supportedTensorTypes } from "../../../shared/weights/tensor_types.ts";
import { assertClose, kernelTest, readFloats, runPass } from "./kernel_run.ts";

kernelTest(
  "Embed dequantises the rows of its tokens, over split matrices too",
  async (gpu, shapes) => {
    const [vocab, columns] = [150, 256];
    // No more than 64 rows of most formats.
    const maxBindingBytes = 64 * columns;
    const tokens = [3, 149, 0, 63, 64, 3];
    const records = Uint32Array.from(tokens.flatMap((token) => [token, 0, 0, 0]));
    for (const type of supportedTensorTypes()) {
      const tensor = testTensor(type, [vocab, columns], 1);
      const embedding = allocateMatrix(
        gpu,
        planMatrix("embedding", [tensor.info], { shapes, maxBindingBytes }),
      );
      await fillMatrix(gpu, embedding, { file: tensorReader([tensor]) });
      const rows = gpu.storageFrom("rows", records);
      const output = gpu.storage("output", tokens.length * columns * 4);
      const embed = new Embed(gpu, { embedding, shapes, rows, output });
      runPass(gpu, (pass) => embed.encode(pass, tokens.length));
      const expected = tokens.flatMap((token) =>
        Array.from(tensor.values.subarray(token * columns, (token + 1) * columns))
      );
      assertClose(await readFloats(gpu, output), Float32Array.from(expected), 1e-7);
    }
  },
);

kernelTest(
  "RmsNorm equals the reference, for widths that are no multiple of 64",
  async (gpu, shapes) => {
    for (const columns of [4, 36, 288, 576]) {
      const [x, weight] = [testValues(5 * columns, 2), testValues(columns, 3)];
      const norm = new RmsNorm(gpu, { columns, epsilon: 1e-5, shapes });
      const output = gpu.storage("y", x.byteLength);
      const launch = norm.bind({
        input: gpu.storageFrom("x", x),
        weight: gpu.storageFrom("weight", weight),
        output,
      });
      runPass(gpu, (pass) => encodeRows(pass, launch, 5));
      assertClose(await readFloats(gpu, output), rmsNormReference(x, weight, 1e-5), 1e-5);
    }
  },
);

kernelTest("RmsNorm of a zero row is zero, and of a huge row finite", async (gpu, shapes) => {
  const x = new Float32Array(16).fill(1e15, 8);
  const norm = new RmsNorm(gpu, { columns: 8, epsilon: 1e-5, shapes });
  const output = gpu.storage("y", x.byteLength);
  const weight = gpu.storageFrom("weight", new Float32Array(8).fill(1));
  const launch = norm.bind({ input: gpu.storageFrom("x", x), weight, output });
  runPass(gpu, (pass) => encodeRows(pass, launch, 2));
  const expected = new Float32Array(16).fill(1, 8);
  assertClose(await readFloats(gpu, output), expected, 1e-6);
});

kernelTest("RmsNorm with isGathering takes the rows of its index", async (gpu, shapes) => {
  const [x, weight] = [testValues(6 * 64, 4), testValues(64, 5)];
  const norm = new RmsNorm(gpu, { columns: 64, epsilon: 1e-5, shapes, isGathering: true });
  const plain = new RmsNorm(gpu, { columns: 64, epsilon: 1e-5, shapes });
  const [gathered, all] = [gpu.storage("y", 3 * 256), gpu.storage("all", 6 * 256)];
  const input = gpu.storageFrom("x", x);
  const weights = gpu.storageFrom("weight", weight);
  const index = gpu.storageFrom("index", new Uint32Array([5, 0, 2]));
  const gather = norm.bind({ input, weight: weights, output: gathered, index });
  const whole = plain.bind({ input, weight: weights, output: all });
  runPass(gpu, (pass) => {
    encodeRows(pass, gather, 3);
    encodeRows(pass, whole, 6);
  });
  const rows = await readFloats(gpu, all);
  const picked = [5, 0, 2].flatMap((row) => Array.from(rows.subarray(row * 64, (row + 1) * 64)));
  assertEquals(await readFloats(gpu, gathered), Float32Array.from(picked));
});

kernelTest("swiglu() equals the reference, also where exp overflows", async (gpu, shapes) => {
  const columns = 100;
  const x = testValues(3 * 2 * columns, 6).map((value) => value * 4);
  x[0] = -120;
  x[1] = 120;
  const output = gpu.storage("y", 3 * columns * 4);
  const launch = swiglu(gpu, { columns, shapes, input: gpu.storageFrom("x", x), output });
  runPass(gpu, (pass) => encodeRows(pass, launch, 3));
  assertClose(await readFloats(gpu, output), swigluReference(x, columns), 1e-4);
});
