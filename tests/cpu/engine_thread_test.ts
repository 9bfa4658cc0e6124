/** The engine thread on the CPU backend: the choice of the device, and what it generates. */

import { assertEquals } from "@std/assert/mod.js";
import type { DeviceChoice } from "../../shared/engine/backend.ts";
import { hasHardwareAdapter } from "../../shared/engine/webgpu/adapter.ts";
import { startEngine } from "../../shared/engine_thread/mod.ts";
import {
  collectEvents,
  generatedTokens,
  handOver,
  jobOf,
} from "../../shared/engine_thread/testing/run_sequence.ts";
import { TestModel } from "../gpu/test_model.ts";
import { eventually } from "../kit/waits.ts";
import { workerThreads } from "../kit/worker_threads.ts";

const STORY = "Once upon a time";
const STORY_START = ", there was a little girl named Lily.";

async function startStories(model: TestModel, device: DeviceChoice, cpuThreads?: number) {
  return await startEngine({
    modelPath: model.resolved.path,
    device,
    cpuThreads,
    kvCacheTokens: 512,
    maxBatchTokens: 32,
    maxSequences: 4,
    queueLimit: 4,
  });
}

Deno.test("startEngine() on the CPU continues a story, alone and handed over", async () => {
  await using model = await TestModel.open("stories15m");
  await using prefill = await startStories(model, "cpu", 2);
  await using decode = await startStories(model, "cpu", 1);
  assertEquals(prefill.info.device.backend, "cpu");
  const prompt = model.tokenizer.encode(STORY, { addSpecial: true, parseSpecial: false });
  const job = jobOf(prompt, { maxTokens: 10 });
  const tokens = generatedTokens(await collectEvents(prefill.submit(job)));
  assertEquals(model.tokenizer.decode(tokens, { skipSpecial: true }), STORY_START);
  assertEquals(await handOver({ prefill, decode }, job), tokens);
});

Deno.test({
  name: "startEngine() on the CPU ends all its threads when it closes",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using model = await TestModel.open("stories15m");
    const before = new Set(workerThreads());
    const added = () => workerThreads().filter((id) => !before.has(id)).length;
    {
      await using _engine = await startStories(model, "cpu", 4);
      assertEquals(added(), 4);
    }
    await eventually(() => added() === 0);
  },
});

Deno.test({
  name: "startEngine() with auto takes the CPU where no adapter is hardware",
  ignore: await hasHardwareAdapter(),
  fn: async () => {
    await using model = await TestModel.open("stories15m");
    await using engine = await startStories(model, "auto");
    assertEquals(engine.info.device.backend, "cpu");
  },
});
