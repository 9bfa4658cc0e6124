/** Random work on whole engines: whatever is cancelled or handed over, what finishes has the right text. */

import { assert, assertEquals } from "@std/assert/mod.js";
import type { Engine, SequenceJob } from "../engine/engine.ts";
import { fakeText } from "./testing/fake_backend.ts";
import { startFakeEngine } from "./testing/fake_engine.ts";
import {
  collectEvents,
  finishOf,
  generatedTokens,
  handOver,
  jobOf,
} from "./testing/run_sequence.ts";

type Random = (below: number) => number;

function seededRandom(seed: number): Random {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Prompts of three families, so that engines find prefixes again. */
function randomJob(random: Random): SequenceJob {
  const family = random(3) * 100;
  const prompt = Array.from({ length: 1 + random(80) }, (_, index) => (family + index * 3) % 1000);
  prompt[random(prompt.length)] = random(1000);
  const sampling = { temperature: random(2), topK: 0, topP: 1, seed: random(1000) };
  return jobOf(prompt, { maxTokens: 1 + random(40), sampling });
}

async function generate(engine: Engine, job: SequenceJob): Promise<void> {
  assertEquals(
    generatedTokens(await collectEvents(engine.submit(job))),
    fakeText(job.promptTokens, job),
  );
}

async function generateAcross(engines: { prefill: Engine; decode: Engine }, job: SequenceJob) {
  assertEquals(await handOver(engines, job), fakeText(job.promptTokens, job));
}

/** Cancels after some events; what came until then must be the beginning of the text. */
async function cancelAfter(engine: Engine, job: SequenceJob, eventCount: number): Promise<void> {
  const sequence = engine.submit(job);
  if (eventCount === 0) sequence.cancel();
  const events = [];
  for await (const event of sequence) {
    events.push(event);
    if (events.length === eventCount) sequence.cancel();
  }
  const tokens = generatedTokens(events);
  assertEquals(tokens, fakeText(job.promptTokens, job).slice(0, tokens.length));
  assert(finishOf(events) !== null);
}

Deno.test("Engines give every sequence its own text under random load, and free all blocks", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = seededRandom(seed * 7919);
    const limits = {
      totalBlocks: 9 + random(30),
      maxRows: 24 + random(40),
      maxSlices: 1 + random(8),
    };
    await using prefill = startFakeEngine({ ...limits, queueLimit: 99 });
    await using decode = startFakeEngine({ ...limits, queueLimit: 99 });
    const work = Array.from({ length: 30 }, () => {
      const job = randomJob(random);
      switch (random(4)) {
        case 0:
          return generate(decode, job);
        case 1:
          return cancelAfter(random(2) === 0 ? prefill : decode, job, random(6));
        default:
          return generateAcross({ prefill, decode }, job);
      }
    });
    await Promise.all(work);
    assertEquals([prefill.load.usedBlocks, decode.load.usedBlocks], [0, 0], `seed ${seed}`);
  }
});
