/** The times of a step's passes, as the device's timestamp queries tell them. */

import { assert, assertEquals } from "@std/assert/mod.js";
import type { SampleParameters, StepResult } from "../../shared/engine/backend.ts";
import { openWebgpuBackend } from "../../shared/engine/webgpu/backend.ts";
import { blocks, slice, tokensOf } from "../kit/backend_slices.ts";
import { gpuTest } from "./gpu_tests.ts";
import { tinyModel } from "./tiny_model.ts";

const OPTIONS = { kvCacheTokens: 256, maxRows: 48, maxSlices: 4 };
const sample: SampleParameters = { temperature: 0.9, topK: 0, topP: 0.9, seed: 3 };

gpuTest("step() with timePasses times each pass and computes the same, bit for bit", async () => {
  const model = tinyModel({ shape: { layers: 3 } });
  await using backend = await openWebgpuBackend(model, OPTIONS);
  const { vocab } = model.shape;
  const slices = [
    slice(tokensOf(21, 3, vocab), { sample, wantLogits: true }),
    slice(tokensOf(1, 8, vocab), { blockTable: blocks(1), sample, wantLogits: true }),
  ];
  const untimed = await backend.step(slices);
  const kv = await backend.readBlocks([...blocks(0).slice(0, 2), blocks(1)[0]]);
  backend.writeBlocks([...blocks(0).slice(0, 2), blocks(1)[0]], new Uint8Array(kv.length));
  const timed = await backend.step(slices, { timePasses: true });
  assertEquals(timed.slices, untimed.slices);
  assertEquals(await backend.readBlocks([...blocks(0).slice(0, 2), blocks(1)[0]]), kv);
  assertEquals(untimed.passes, undefined);
  if (untimed.deviceTimeNs === undefined) return assertEquals(timed.passes, undefined);
  assertPasses(timed, ["embed", "layers", "output", "sample"]);

  const unsampled = await backend.step([slice([1, 2, 3])], { timePasses: true });
  assertPasses(unsampled, ["embed", "layers"]);
});

/** In order, without overlap, within the step's device time; the layers' kinds make up the layers. */
function assertPasses({ passes, deviceTimeNs }: StepResult, names: readonly string[]): void {
  assertEquals(passes?.map(({ name }) => name), names);
  let endMs = 0;
  for (const { name, startMs, durationMs, kinds } of passes!) {
    assert(startMs >= endMs && durationMs >= 0, `${name} begins at ${startMs} ms`);
    endMs = startMs + durationMs;
    if (name !== "layers") {
      assertEquals(kinds, {});
      continue;
    }
    const { linear = 0, attention = 0, other = 0 } = kinds;
    assert(linear > 0 && attention > 0 && other > 0, JSON.stringify(kinds));
    assert(linear + attention + other <= durationMs + 1e-6);
  }
  assertEquals(passes![0].startMs, 0);
  assert(Math.abs(endMs * 1e6 - deviceTimeNs!) < 1, `${endMs} ms of ${deviceTimeNs} ns`);
}

gpuTest(
  "step() with timePasses of more layers than a query set holds tells the whole time only",
  async () => {
    const shape = { layers: 230, hidden: 32, feedForward: 32, heads: 2, kvHeads: 1 };
    const model = tinyModel({ shape });
    await using backend = await openWebgpuBackend(model, { ...OPTIONS, kvCacheTokens: 16 });
    const part = slice(tokensOf(2, 3, model.shape.vocab), { blockTable: [0], sample });
    const untimed = await backend.step([part]);
    const timed = await backend.step([part], { timePasses: true });
    assertEquals(timed.slices, untimed.slices);
    assertEquals(timed.passes, undefined);
    assertEquals(typeof timed.deviceTimeNs, typeof untimed.deviceTimeNs);
  },
);

gpuTest("step() with timePasses on a device without timestamps leaves the times out", async () => {
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = function (descriptor) {
    return requestDevice.call(this, { ...descriptor, requiredFeatures: [] });
  };
  try {
    const model = tinyModel();
    await using backend = await openWebgpuBackend(model, OPTIONS);
    const part = slice(tokensOf(5, 3, model.shape.vocab), { sample });
    const { slices: [{ token }], deviceTimeNs, passes } = await backend.step([part], {
      timePasses: true,
    });
    assert(token !== null);
    assertEquals([deviceTimeNs, passes], [undefined, undefined]);
    assertEquals((await backend.step([{ ...part, sample: null }])).slices, [{ token: null }]);
  } finally {
    GPUAdapter.prototype.requestDevice = requestDevice;
  }
});
