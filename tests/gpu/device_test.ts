import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert/mod.js";
import { DeviceError } from "../../shared/engine/backend.ts";
import { Gpu } from "../../shared/engine/webgpu/device.ts";
import { checkDevice } from "../../shared/engine/webgpu/device_check.ts";
import { shapesFor, WIDE_SHAPES } from "../../shared/engine/webgpu/kernel_shapes.ts";
import { planLlama } from "../../shared/engine/webgpu/llama_weights.ts";
import { MAX_POSITIONS_WITH_LOOP_CAP } from "../../shared/engine/webgpu/ops/attention/attention.ts";
import { Readback, type ReadbackMode, readBuffer } from "../../shared/engine/webgpu/readback.ts";
import { probeImmediateReadback } from "../../shared/engine/webgpu/readback_probe.ts";
import { gpuTest } from "./gpu_tests.ts";
import { tinyModel } from "./tiny_model.ts";

async function withGpu(body: (gpu: Gpu) => Promise<void> | void): Promise<void> {
  const gpu = await Gpu.open();
  try {
    await body(gpu);
  } finally {
    gpu.close();
  }
}

/** A copy that the device refuses: source and destination are the same. */
function submitInvalidCopy(gpu: Gpu): void {
  const buffer = gpu.storage("copied", 16);
  const encoder = gpu.device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, buffer, 0, 16);
  gpu.device.queue.submit([encoder.finish()]);
}

Deno.test("Gpu.open() without an adapter says how to get a driver", async () => {
  const { requestAdapter } = GPU.prototype;
  GPU.prototype.requestAdapter = () => Promise.resolve(null);
  try {
    await assertRejects(() => Gpu.open(), DeviceError, "Install a Vulkan driver");
  } finally {
    GPU.prototype.requestAdapter = requestAdapter;
  }
});

gpuTest(
  "Gpu.open() asks for the adapter's own limits, not the specification's minima",
  async () => {
    const adapter = await navigator.gpu.requestAdapter();
    await withGpu((gpu) => {
      assertEquals(gpu.limits.maxBufferSize, adapter!.limits.maxBufferSize);
      assertEquals(
        gpu.limits.maxStorageBuffersPerShaderStage,
        adapter!.limits.maxStorageBuffersPerShaderStage,
      );
      assert(gpu.adapter.length > 0);
    });
  },
);

gpuTest("Gpu.buffer() refuses sizes past the adapter's limits, with numbers", async () => {
  await withGpu((gpu) => {
    const most = gpu.limits.maxStorageBufferBindingSize;
    assertThrows(
      () => gpu.storage("big", most + 4),
      DeviceError,
      `Cannot create the buffer big: it needs ${most + 4} bytes`,
    );
    assertEquals(gpu.bytesAllocated, 0);
  });
});

gpuTest("Gpu.temporary() releases what was created meanwhile, also after a failure", async () => {
  await withGpu(async (gpu) => {
    gpu.storage("kept", 64);
    await gpu.temporary(() => Promise.resolve(gpu.storage("gone", 1024)));
    await assertRejects(() =>
      gpu.temporary(() => {
        gpu.storage("gone too", 1024);
        return Promise.reject(new Error("failed"));
      })
    );
    assertEquals(gpu.bytesAllocated, 64);
  });
});

gpuTest("Gpu.kernel() compiles the same code once", async () => {
  await withGpu((gpu) => {
    const code = `@group(0) @binding(0) var<storage, read_write> y: array<u32>;
      @compute @workgroup_size(1) fn main() { y[0] = 1u; }`;
    assertStrictEquals(
      gpu.kernel("a", code, ["read_write"]),
      gpu.kernel("b", code, ["read_write"]),
    );
  });
});

gpuTest("Gpu.checked() rejects with what the device refused", async () => {
  await withGpu(async (gpu) => {
    await assertRejects(
      () => gpu.checked("copy", () => submitInvalidCopy(gpu)),
      DeviceError,
      "Cannot copy: ",
    );
    await assertRejects(
      () => gpu.checked("compile", () => gpu.kernel("bad", "fn main() { nonsense }", [])),
      DeviceError,
      "Cannot compile: ",
    );
    await assertRejects(
      () => gpu.checked("run", () => Promise.reject(new Error("own"))),
      Error,
      "own",
    );
    assertEquals(await gpu.checked("add", () => 1 + 1), 2);
    gpu.assertHealthy();
  });
});

gpuTest("Gpu.assertHealthy() throws an error that nobody caught", async () => {
  await withGpu(async (gpu) => {
    const seen = new Promise((resolve) => gpu.device.addEventListener("uncapturederror", resolve));
    submitInvalidCopy(gpu);
    await seen;
    assertThrows(() => gpu.assertHealthy(), DeviceError, "the WebGPU device refused work");
  });
});

gpuTest("Gpu.assertHealthy() throws after the device was lost", async () => {
  await withGpu(async (gpu) => {
    gpu.device.destroy();
    await gpu.device.lost;
    assertThrows(() => gpu.assertHealthy(), DeviceError, "the WebGPU device was lost");
  });
});

for (const mode of ["awaited", "immediate"] satisfies ReadbackMode[]) {
  gpuTest(`Readback in ${mode} mode reads what was just written, every time`, async () => {
    if (mode === "immediate" && await probeImmediateReadback() !== "immediate") return;
    await withGpu(async (gpu) => {
      const source = gpu.storage("source", 32);
      const readback = new Readback(gpu, { label: "test", byteLength: 32, mode });
      await readback.prime();
      for (let i = 1; i <= 20; i++) {
        gpu.device.queue.writeBuffer(source, 0, new Uint32Array(8).fill(i));
        const encoder = gpu.device.createCommandEncoder();
        encoder.copyBufferToBuffer(source, 0, readback.buffer, 0, 32);
        gpu.device.queue.submit([encoder.finish()]);
        const data = await readback.read(8 + i % 7 * 4);
        assertEquals(new Uint32Array(data.buffer), new Uint32Array(2 + i % 7).fill(i));
      }
    });
  });
}

gpuTest("readBuffer() reads a whole buffer and leaves no staging buffer", async () => {
  await withGpu(async (gpu) => {
    const buffer = gpu.storageFrom("data", new Uint32Array([1, 2, 3, 4]));
    assertEquals(new Uint32Array((await readBuffer(gpu, buffer)).buffer)[3], 4);
    assertEquals(gpu.bytesAllocated, 16);
  });
});

Deno.test({
  name: "probeImmediateReadback() falls back to awaited where it may not run a child",
  permissions: { run: false, read: true },
  fn: async () => assertEquals(await probeImmediateReadback(), "awaited"),
});

const model = tinyModel({ types: { attn_v: "Q4_1", ffn_down: "F16" } });

async function check(gpu: Gpu, options: { maxPositions?: number; isWide?: boolean } = {}) {
  const shapes = options.isWide ? WIDE_SHAPES : shapesFor(gpu);
  const maxBindingBytes = gpu.limits.maxStorageBufferBindingSize;
  const plan = planLlama(model, { shapes, maxBindingBytes });
  const { maxPositions = 512 } = options;
  await checkDevice(gpu, { plan, shape: model.shape, shapes, maxPositions });
}

gpuTest(
  "checkDevice() passes this adapter in both kernel families and frees what it used",
  async () => {
    await withGpu(async (gpu) => {
      await check(gpu);
      await check(gpu, { isWide: true });
      assertEquals(gpu.bytesAllocated, 0);
    });
  },
);

/** Runs `body` with every shader changed, as a driver that compiles wrongly would. */
async function withBrokenShaders(
  change: (code: string) => string,
  body: () => Promise<void>,
): Promise<void> {
  const { createShaderModule } = GPUDevice.prototype;
  GPUDevice.prototype.createShaderModule = function (descriptor) {
    return createShaderModule.call(this, { ...descriptor, code: change(descriptor.code) });
  };
  try {
    await body();
  } finally {
    GPUDevice.prototype.createShaderModule = createShaderModule;
  }
}

gpuTest(
  "checkDevice() refuses an adapter that computes wrongly and says what is wrong",
  async () => {
    const faults: [(code: string) => string, string][] = [
      [
        (code) => code.replaceAll("unpack4xI8", "unpack4xU8"),
        "a product with Q8_0 weights is off by",
      ],
      [
        (code) => code.replaceAll("unpack2x16float", "unpack2x16snorm"),
        "a product with F16 weights",
      ],
      [(code) => code.replaceAll("sum0_0 *= weight0.x", "sum0_0 *= 1.0"), "attention is off by"],
      [(code) => code.replace("i < 65536u", "i < 1000u"), "a loop of 65536 turns ended after 1000"],
    ];
    for (const [change, reason] of faults) {
      await withBrokenShaders(change, () =>
        withGpu(async (gpu) => {
          await assertRejects(() => check(gpu), DeviceError, `it failed the self-test: ${reason}`);
        }));
    }
  },
);

gpuTest(
  "checkDevice() refuses long sequences where the driver caps loops, and only there",
  async () => {
    const capLoops = (code: string) => code.replace("i < 65536u", "i < 65535u");
    await withBrokenShaders(capLoops, () =>
      withGpu(async (gpu) => {
        await check(gpu, { maxPositions: MAX_POSITIONS_WITH_LOOP_CAP });
        await assertRejects(
          () => check(gpu, { maxPositions: MAX_POSITIONS_WITH_LOOP_CAP + 1 }),
          DeviceError,
          "its driver ends loops after 65535 turns",
        );
      }));
  },
);
