/** What tests of single kernels share: a device, one pass, and the floats that come out. */

import { assert } from "@std/assert/mod.js";
import { Gpu } from "../../../shared/engine/webgpu/device.ts";
import {
  type KernelShapes,
  NARROW_SHAPES,
  WIDE_SHAPES,
} from "../../../shared/engine/webgpu/kernel_shapes.ts";
import { readBuffer } from "../../../shared/engine/webgpu/readback.ts";
import { gpuTest } from "../gpu_tests.ts";

/** Registers `body` once for each family of kernel shapes, on a device of its own. */
export function kernelTest(
  name: string,
  body: (gpu: Gpu, shapes: KernelShapes) => Promise<void>,
): void {
  for (const shapes of [NARROW_SHAPES, WIDE_SHAPES]) {
    gpuTest(`${name} (${shapes.family} kernels)`, async () => {
      const gpu = await Gpu.open();
      try {
        await gpu.checked("run the test", () => body(gpu, shapes));
      } finally {
        gpu.close();
      }
    });
  }
}

/** Submits one compute pass. */
export function runPass(gpu: Gpu, encode: (pass: GPUComputePassEncoder) => void): void {
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  encode(pass);
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
}

export async function readFloats(gpu: Gpu, buffer: GPUBuffer): Promise<Float32Array<ArrayBuffer>> {
  return new Float32Array((await readBuffer(gpu, buffer)).buffer);
}

/** Asserts that no entry is off by more than `tolerance` times the largest value, or than itself. */
export function assertClose(
  actual: Float32Array,
  expected: Float32Array,
  tolerance: number,
): void {
  assert(actual.length >= expected.length, `${actual.length} values, not ${expected.length}`);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  for (const [i, value] of expected.entries()) {
    const error = Math.abs(actual[i] - value);
    assert(
      error <= tolerance * largest,
      `value ${i} is ${actual[i]}, not ${value}: off by ${error}, largest value ${largest}`,
    );
  }
}
