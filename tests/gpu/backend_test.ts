import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert/mod.js";
import type { SampleParameters } from "../../shared/engine/backend.ts";
import { DeviceError } from "../../shared/engine/backend.ts";
import { sampleReference } from "../../shared/engine/sampling/sample_reference.ts";
import {
  openWebgpuBackend,
  type WebgpuBackend,
  type WebgpuBackendOptions,
} from "../../shared/engine/webgpu/backend.ts";
import { StepLoop } from "../../shared/engine_thread/step_loop.ts";
import { StepMark } from "../../shared/engine_thread/step_mark.ts";
import { NARROW_SHAPES, WIDE_SHAPES } from "../../shared/engine/webgpu/kernel_shapes.ts";
import type { ModelFile } from "../../shared/weights/model_file.ts";
import { gpuTest } from "./gpu_tests.ts";
import { tinyModel } from "./tiny_model.ts";
import {
  assertLogitsClose,
  blocks,
  logitsOf,
  referenceLogits,
  slice,
  tokensOf,
} from "../kit/backend_slices.ts";

const GREEDY: SampleParameters = { temperature: 0, topK: 0, topP: 1, seed: 0 };

async function open(
  model: ModelFile,
  options: Partial<WebgpuBackendOptions> = {},
): Promise<WebgpuBackend> {
  return await openWebgpuBackend(model, {
    kvCacheTokens: 1024,
    maxRows: 48,
    maxSlices: 4,
    ...options,
  });
}

/** Of the largest logit. */
const TOLERANCE = 1e-4;

for (const shapes of [NARROW_SHAPES, WIDE_SHAPES]) {
  gpuTest(
    `step() gives a row the same logits alone, batched and chunked (${shapes.family})`,
    async () => {
      const model = tinyModel({ types: { attn_v: "Q4_1", ffn_down: "Q4_0" } });
      await using backend = await open(model, { shapes });
      const tokens = tokensOf(37, 3, model.shape.vocab);
      const whole = await logitsOf(backend, slice(tokens));
      assertLogitsClose(whole, await referenceLogits(model, tokens), TOLERANCE);
      const { vocab } = model.shape;
      let at = 0;
      for (const size of [1, 1, 2, 3, 4, 5, 1, 9, 11]) {
        const part = slice(tokens.slice(at, at + size), {
          blockTable: blocks(1),
          startPosition: at,
          wantLogits: true,
        });
        const other = slice(tokensOf(size, at, vocab), { blockTable: blocks(2), sample: GREEDY });
        const { slices: [, result] } = await backend.step([other, part]);
        assertEquals(result.logits, whole.slice(at * vocab, (at + size) * vocab), `from ${at}`);
        at += size;
      }
      assertEquals(at, tokens.length);
    },
  );
}

gpuTest("step() equals the reference for untied, mixed and odd shapes", async () => {
  const models = [
    tinyModel({ type: "F32", shape: { heads: 2, kvHeads: 2, headDim: 48, ropeDim: 48 } }),
    tinyModel({ type: "F16", types: { ffn_down: "BF16" }, shape: { isTied: false, vocab: 33 } }),
    tinyModel({
      type: "Q4_1",
      types: { attn_v: "Q6_K", ffn_down: "Q6_K", token_embd: "Q6_K", output: "Q8_0" },
      shape: {
        hidden: 256,
        feedForward: 512,
        heads: 4,
        kvHeads: 4,
        headDim: 64,
        ropeDim: 32,
        isTied: false,
      },
    }),
  ];
  for (const model of models) {
    await using backend = await open(model);
    const tokens = tokensOf(9, 1, model.shape.vocab);
    assertLogitsClose(
      await logitsOf(backend, slice(tokens)),
      await referenceLogits(model, tokens),
      TOLERANCE,
    );
  }
});

gpuTest("step() samples each slice by its own parameters and position", async () => {
  const model = tinyModel();
  await using backend = await open(model);
  const { vocab } = model.shape;
  const samples: (SampleParameters | null)[] = [
    GREEDY,
    null,
    { temperature: 0.8, topK: 20, topP: 0.9, seed: 7 },
    { temperature: 1.3, topK: 0, topP: 1, seed: 123_456_789 },
  ];
  for (let round = 0; round < 5; round++) {
    const slices = samples.map((sample, i) =>
      slice(tokensOf(i + 1 + round, 10 * i + round, vocab), {
        blockTable: blocks(i),
        sample,
        wantLogits: true,
      })
    );
    const result = await backend.step(slices);
    for (const [i, { token, logits }] of result.slices.entries()) {
      const sample = samples[i];
      const rows = slices[i].tokens.length;
      assertEquals(logits!.length, rows * vocab);
      const last = logits!.subarray((rows - 1) * vocab);
      assertEquals(token, sample && sampleReference(last, sample, rows));
    }
  }
});

gpuTest("step() returns logits of more rows than a step has slices", async () => {
  const model = tinyModel();
  await using backend = await open(model, { maxSlices: 2 });
  const tokens = tokensOf(11, 5, model.shape.vocab);
  const [a, b] = [slice(tokens), slice(tokens.slice(0, 7), { blockTable: blocks(1) })];
  const { slices } = await backend.step([
    { ...a, wantLogits: true, sample: GREEDY },
    { ...b, wantLogits: true, sample: GREEDY },
  ]);
  assertEquals(slices[0].logits, await logitsOf(backend, a));
  assertEquals(slices[1].logits, slices[0].logits?.slice(0, 7 * model.shape.vocab));
});

gpuTest(
  "step() without sampling or logits still computes the KV that later steps read",
  async () => {
    const model = tinyModel();
    await using backend = await open(model);
    const tokens = tokensOf(20, 5, model.shape.vocab);
    const whole = await logitsOf(backend, slice(tokens));
    const first = slice(tokens.slice(0, 19), { blockTable: blocks(1) });
    assertEquals((await backend.step([first])).slices, [{ token: null }]);
    const last = await logitsOf(backend, { ...first, startPosition: 19, tokens: [tokens[19]] });
    assertEquals(last, whole.slice(19 * model.shape.vocab));
  },
);

gpuTest("readBlocks() and writeBlocks() carry a sequence to another backend", async () => {
  const model = tinyModel();
  await using from = await open(model);
  await using to = await open(model, { readbackMode: "awaited", kvCacheTokens: 256 });
  const tokens = tokensOf(40, 9, model.shape.vocab);
  await from.step([slice(tokens)]);
  const data = await from.readBlocks(blocks(0).slice(0, 3));
  assertEquals(data.length, 3 * from.kv.blockBytes);
  to.writeBlocks([11, 4, 9], data);
  const next = { startPosition: 40, tokens: [17], sample: null };
  assertEquals(
    await logitsOf(to, { ...next, blockTable: [11, 4, 9] }),
    await logitsOf(from, { ...next, blockTable: blocks(0) }),
  );
  assertEquals(await to.readBlocks([11, 4]), data.slice(0, 2 * from.kv.blockBytes));
});

gpuTest("readBlocks() gives keys then values of each layer, keys rotated", async () => {
  const model = tinyModel({ shape: { layers: 3 } });
  await using backend = await open(model);
  const { vocab, kvHeads, headDim, layers } = model.shape;
  const [token, other] = tokensOf(2, 4, vocab);
  // The first layer's keys at position 0 are not rotated; those of the same token later are.
  await backend.step([slice([token, other, token])]);
  const floats = new Float32Array((await backend.readBlocks(blocks(0).slice(0, 1))).buffer);
  assertEquals(floats.byteLength, backend.kv.blockBytes);
  assertEquals(floats.length, layers * 2 * 16 * kvHeads * headDim);
  const width = kvHeads * headDim;
  const row = (part: number, position: number) =>
    floats.slice((part * 16 + position) * width, (part * 16 + position + 1) * width);
  assertNotEquals(row(0, 0), row(0, 2));
  assertEquals(row(1, 0), row(1, 2));
  assertNotEquals(row(1, 0), row(1, 1));
  const length = (values: Float32Array) => Math.hypot(...values);
  assert(Math.abs(length(row(0, 0)) - length(row(0, 2))) < 1e-4 * length(row(0, 0)));
});

gpuTest("step() refuses a second step while one runs, and goes on afterwards", async () => {
  await using backend = await open(tinyModel(), { readbackMode: "awaited" });
  const first = backend.step([slice([1, 2], { sample: GREEDY })]);
  await assertRejects(() => backend.step([slice([1])]), RangeError, "another one is under way");
  const { slices: [{ token }] } = await first;
  const again = await backend.step([slice([1, 2], { sample: GREEDY })]);
  assertEquals(again.slices[0].token, token);
});

gpuTest("step() in awaited and in immediate mode gives the same tokens", async () => {
  const model = tinyModel();
  const texts: number[][] = [];
  for (const readbackMode of ["awaited", undefined] as const) {
    await using backend = await open(model, { readbackMode });
    const text = [1];
    for (let position = 0; position < 12; position++) {
      const part = slice([text[position]], { startPosition: position, sample: GREEDY });
      const { slices: [{ token }] } = await backend.step([part]);
      text.push(token!);
    }
    texts.push(text);
  }
  assertEquals(texts[0], texts[1]);
});

gpuTest("step() reports device time where the adapter measures it", async () => {
  await using backend = await open(tinyModel());
  const startMs = performance.now();
  const { deviceTimeNs } = await backend.step([slice([1, 2, 3])]);
  const wallNs = (performance.now() - startMs) * 1e6;
  const adapter = await navigator.gpu.requestAdapter();
  if (!adapter?.features.has("timestamp-query")) return assertEquals(deviceTimeNs, undefined);
  assert(deviceTimeNs !== undefined && deviceTimeNs > 0 && deviceTimeNs <= wallNs);
});

gpuTest("openWebgpuBackend() reports progress up to 1 and what it runs on", async () => {
  const shares: number[] = [];
  await using backend = await open(tinyModel(), {
    shapes: NARROW_SHAPES,
    onProgress: (share) => shares.push(share),
  });
  assertEquals(shares.at(-1), 1);
  assertEquals(shares, shares.toSorted((a, b) => a - b));
  assertEquals(backend.device.backend, "webgpu");
  assert(backend.device.adapter.length > 0);
  assertMatch(backend.device.kernels!, /^narrow kernels, .*, (immediate|awaited) readback$/);
  assertEquals(backend.limits, { maxRows: 48, maxSlices: 4, totalBlocks: 64 });
});

gpuTest("a backend that is closed has destroyed all that it made, and refuses work", async () => {
  const live = new Set<GPUBuffer | GPUQuerySet>();
  const { createBuffer, createQuerySet } = GPUDevice.prototype;
  const { destroy } = GPUBuffer.prototype;
  const { destroy: destroyQuerySet } = GPUQuerySet.prototype;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    live.add(buffer);
    return buffer;
  };
  GPUBuffer.prototype.destroy = function () {
    live.delete(this);
    return destroy.call(this);
  };
  GPUDevice.prototype.createQuerySet = function (descriptor) {
    const set = createQuerySet.call(this, descriptor);
    live.add(set);
    return set;
  };
  GPUQuerySet.prototype.destroy = function () {
    live.delete(this);
    return destroyQuerySet.call(this);
  };
  try {
    const backend = await open(tinyModel());
    await logitsOf(backend, slice([1, 2, 3]));
    await backend.readBlocks([0]);
    assert(live.size > 0);
    await backend[Symbol.asyncDispose]();
    assertEquals([...live].map(({ label }) => label), []);
    const read = () => Promise.reject(new Error("disk gone"));
    await assertRejects(() => open({ ...tinyModel(), read }), Error, "disk gone");
    assertEquals([...live].map(({ label }) => label), []);
    await assertRejects(() => backend.step([slice([1])]), DeviceError, "it is closed");
    assertThrows(() => backend.writeBlocks([0], new Uint8Array()), DeviceError, "it is closed");
  } finally {
    GPUDevice.prototype.createBuffer = createBuffer;
    GPUBuffer.prototype.destroy = destroy;
    GPUDevice.prototype.createQuerySet = createQuerySet;
    GPUQuerySet.prototype.destroy = destroyQuerySet;
  }
});

gpuTest(
  "openWebgpuBackend() refuses what does not fit, with numbers, before it reads",
  async () => {
    let hasRead = false;
    const model: ModelFile = {
      ...tinyModel({ shape: { contextLength: 2 ** 24 } }),
      read: () => {
        hasRead = true;
        return Promise.reject(new Error("read"));
      },
    };
    await assertRejects(
      () => open(model, { kvCacheTokens: 2 ** 26 }),
      DeviceError,
      "Cannot hold a KV cache of 67108864 tokens: a layer would need 8192 MiB",
    );
    await assertRejects(() => open(model, { maxRows: 2 ** 24 }), DeviceError, "set maxRows to");
    const wide = { ...model, shape: { ...model.shape, vocab: 2 ** 20 } };
    await assertRejects(
      () => open(wide, { maxRows: 1000, maxSlices: 1000 }),
      DeviceError,
      "set maxSlices to",
    );
    assertEquals(hasRead, false);
  },
);

gpuTest(
  "openWebgpuBackend() refuses head dimensions and columns that kernels cannot take",
  async () => {
    const heads = { heads: 2, kvHeads: 2, headDim: 18, ropeDim: 18 };
    const model = tinyModel({ type: "F32", shape: heads });
    await assertRejects(() => open(model), DeviceError, "its head dimension is 18");
    const odd = tinyModel({ type: "F16", shape: { hidden: 100 } });
    await assertRejects(() => open(odd), DeviceError, "the columns must be a multiple of 8");
  },
);

gpuTest("step() and readBlocks() reject with a DeviceError when the device is lost", async () => {
  for (const readbackMode of ["awaited", undefined] as const) {
    const { backend, device } = await openWithDevice(readbackMode);
    await using _closing = backend;
    device.destroy();
    const outcomes = await Promise.allSettled([
      backend.step([slice([1], { sample: GREEDY })]),
      backend.readBlocks([0]),
    ]);
    const reasons = outcomes.map((outcome) => outcome.status === "rejected" && outcome.reason);
    for (const reason of [...reasons, await backend.failed]) {
      assertMatch(String(reason), /^DeviceError: .* device was lost/);
    }
    await assertRejects(() => backend.step([slice([1])]), DeviceError, "device was lost");
    await assertRejects(() => backend.readBlocks([0]), DeviceError, "device was lost");
  }
});

gpuTest("StepLoop.run() ends at once when the device is lost while it waits", async () => {
  const { backend, device } = await openWithDevice();
  await using _closing = backend;
  const loop = new StepLoop(backend, {
    maxBatchTokens: 48,
    maxSequences: 4,
    queueLimit: 4,
    post: () => {},
    takeTurn: () => Promise.resolve(),
    stepMark: new StepMark(),
    now: () => performance.now(),
  });
  const ended = loop.run();
  device.destroy();
  await assertRejects(() => ended, DeviceError, "device was lost");
});

/** A backend, and the device that it opened. */
async function openWithDevice(readbackMode?: "awaited") {
  const { requestDevice } = GPUAdapter.prototype;
  const devices: GPUDevice[] = [];
  GPUAdapter.prototype.requestDevice = async function (descriptor) {
    const device = await requestDevice.call(this, descriptor);
    devices.push(device);
    return device;
  };
  try {
    const backend = await open(tinyModel(), { readbackMode });
    return { backend, device: devices[0] };
  } finally {
    GPUAdapter.prototype.requestDevice = requestDevice;
  }
}

gpuTest("openWebgpuBackend() names a missing tensor and passes on a failed read", async () => {
  const model = tinyModel();
  const tensors = new Map(model.tensors);
  tensors.delete("blk.1.ffn_up.weight");
  await assertRejects(() => open({ ...model, tensors }), DeviceError, "blk.1.ffn_up.weight");
  const read = () => Promise.reject(new Error("disk gone"));
  await assertRejects(() => open({ ...model, read }), Error, "disk gone");
});

gpuTest("readBlocks() and writeBlocks() refuse unknown blocks and wrong sizes", async () => {
  await using backend = await open(tinyModel());
  await assertRejects(() => backend.readBlocks([64]), RangeError, "the cache has 64");
  assertThrows(() => backend.writeBlocks([-1], new Uint8Array()), RangeError, "KV block -1");
  const short = new Uint8Array(backend.kv.blockBytes - 4);
  assertThrows(() => backend.writeBlocks([0], short), RangeError, "bytes given");
});
