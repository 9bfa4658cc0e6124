/** The real engine thread: Worker, model file, device, scheduler and step loop together. */

import { assert, assertEquals, assertRejects } from "@std/assert/mod.js";
import type { Engine, EngineLimits, EngineListeners } from "../../shared/engine/engine.ts";
import { startEngine } from "../../shared/engine_thread/mod.ts";
import {
  collectEvents,
  computeMs,
  generatedTokens,
  handOver,
  jobOf,
  nextEvent,
} from "../../shared/engine_thread/testing/run_sequence.ts";
import { TestModel } from "./test_model.ts";

const STORY = "Once upon a time";
const STORY_START =
  ", there was a little girl named Lily. She loved to play outside in the sunshine.";

async function startStories(
  model: TestModel,
  options: Partial<EngineLimits & EngineListeners & { modelPath: string }> = {},
): Promise<Engine> {
  return await startEngine({
    modelPath: model.resolved.path,
    device: "webgpu",
    kvCacheTokens: 512,
    maxBatchTokens: 32,
    maxSequences: 4,
    queueLimit: 4,
    ...options,
  });
}

function encode(model: TestModel, text: string): number[] {
  return model.tokenizer.encode(text, { addSpecial: true, parseSpecial: false });
}

Deno.test("startEngine() loads a model in its thread and continues a story", async () => {
  await using model = await TestModel.open("stories15m");
  const progress: number[] = [];
  await using engine = await startStories(model, { onProgress: (share) => progress.push(share) });
  assertEquals(engine.info.shape, model.file.shape);
  assertEquals(engine.info.limits, { maxRows: 32, maxSlices: 4, totalBlocks: 32 });
  assertEquals(progress.at(-1), 1);

  const promptTokens = encode(model, STORY);
  const events = await collectEvents(engine.submit(jobOf(promptTokens, { maxTokens: 24 })));
  const text = model.tokenizer.decode([...promptTokens, ...generatedTokens(events)], {
    skipSpecial: true,
  });
  assert(text.trimStart().startsWith(STORY + STORY_START), text);
  assert(computeMs(events) > 0);
});

Deno.test("Engines in two threads give the text of one when KV is handed over, batched or not", async () => {
  await using model = await TestModel.open("stories15m");
  await using prefill = await startStories(model);
  await using decode = await startStories(model);
  const long = model.prompts.map(({ input }) => String(input)).join(" ");
  const jobs = [STORY, "The dog ran", long].map((text, index) => {
    const sampling = { temperature: index % 2, topK: 40, topP: 0.95, seed: index };
    return jobOf(encode(model, text).slice(0, 120), { maxTokens: 20, sampling });
  });
  const alone = [];
  for (const job of jobs) alone.push(generatedTokens(await collectEvents(prefill.submit(job))));
  const together = await Promise.all(jobs.map((job) => collectEvents(decode.submit(job))));
  assertEquals(together.map(generatedTokens), alone);
  // The decode engine has the prompts cached by now: a third one has to take all blocks.
  await using fresh = await startStories(model);
  const handedOver = await Promise.all(
    jobs.map((job) => handOver({ prefill, decode: fresh }, job)),
  );
  assertEquals(handedOver, alone);
});

Deno.test("An engine thread sees a cancel between steps and frees the blocks", async () => {
  await using model = await TestModel.open("stories15m");
  await using engine = await startStories(model);
  const sequence = engine.submit(jobOf(encode(model, STORY), { maxTokens: 240 }));
  const events = sequence[Symbol.asyncIterator]();
  await nextEvent(events, "token");
  sequence.cancel();
  assertEquals((await nextEvent(events, "finished")).reason, "cancelled");
  assertEquals(engine.load.usedBlocks, 0);
});

Deno.test("startEngine() rejects with the thread's own error when the model does not open", async () => {
  await using model = await TestModel.open("stories15m");
  await assertRejects(
    () => startStories(model, { modelPath: "/no/such/model.gguf" }),
    Error,
    "/no/such/model.gguf",
  );
  await assertRejects(
    () => startStories(model, { maxBatchTokens: 8 }),
    RangeError,
    "set maxBatchTokens to 20 or more",
  );
});

Deno.test("Closing an engine ends its thread and its sequences", async () => {
  await using model = await TestModel.open("stories15m");
  const engine = await startStories(model);
  const sequence = engine.submit(jobOf(encode(model, STORY), { maxTokens: 240 }));
  await engine[Symbol.asyncDispose]();
  assertEquals(await engine.closed, null);
  assertEquals((await collectEvents(sequence)).at(-1)?.type, "failed");
});
