import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert/mod.js";
import { type Backend, BLOCK_TOKENS, DeviceError, type SequenceSlice } from "../backend.ts";
import { openSimulatedBackend } from "./backend.ts";
import { END_TOKEN } from "./simulated_model.ts";
import { testSimulation } from "./testing/test_simulation.ts";
import type { Simulation } from "./simulation.ts";

const GREEDY = { temperature: 0, topK: 0, topP: 1, seed: 0 };

function openBackend(simulation: Partial<Simulation> = {}): Backend {
  return openSimulatedBackend(testSimulation(simulation), {
    kvCacheTokens: 256,
    maxRows: 64,
    maxSlices: 4,
  });
}

function slice(tokens: readonly number[], part: Partial<SequenceSlice> = {}): SequenceSlice {
  return { blockTable: [0], startPosition: 0, tokens, sample: GREEDY, ...part };
}

async function tokenOf(backend: Backend, part: SequenceSlice): Promise<number | null> {
  const { slices: [result] } = await backend.step([part]);
  return result!.token;
}

Deno.test("a simulated step names itself as no device", async () => {
  await using backend = openBackend();
  assertEquals(backend.device.backend, "simulated");
  assert(backend.device.adapter.includes("made up"));
});

Deno.test("a simulated token depends on every token before it and on the seed", async () => {
  await using backend = openBackend();
  const token = await tokenOf(backend, slice([1, 2, 3]));
  assertEquals(await tokenOf(backend, slice([1, 2, 3])), token);
  assertNotEquals(await tokenOf(backend, slice([9, 2, 3])), token);
  const sampled = (seed: number) => ({ sample: { ...GREEDY, temperature: 1, seed } });
  assertNotEquals(
    await tokenOf(backend, slice([1, 2, 3], sampled(1))),
    await tokenOf(backend, slice([1, 2, 3], sampled(2))),
  );
});

Deno.test("a simulated token is the same in chunks, in a batch, and from blocks of another backend", async () => {
  await using whole = openBackend({ kvTokenBytes: 100 });
  await using other = openBackend({ kvTokenBytes: 100 });
  const prompt = Array.from({ length: BLOCK_TOKENS + 5 }, (_, index) => index);
  const expected = await tokenOf(whole, slice(prompt, { blockTable: [3, 1] }));

  await other.step([slice(prompt.slice(0, 7), { blockTable: [2], sample: null })]);
  const { slices } = await other.step([
    slice([42], { blockTable: [5] }),
    slice(prompt.slice(7), { blockTable: [2, 6], startPosition: 7 }),
  ]);
  assertEquals(slices[1]?.token, expected);

  await using receiver = openBackend({ kvTokenBytes: 100 });
  receiver.writeBlocks([9, 8], await whole.readBlocks([3, 1]));
  const next = { startPosition: prompt.length };
  assertEquals(
    await tokenOf(receiver, slice([expected!], { ...next, blockTable: [9, 8] })),
    await tokenOf(whole, slice([expected!], { ...next, blockTable: [3, 1] })),
  );
});

Deno.test("a simulated step fails on blocks that are missing, swapped or damaged", async () => {
  await using backend = openBackend({ kvTokenBytes: 64 });
  const prompt = Array.from({ length: 2 * BLOCK_TOKENS }, (_, index) => index);
  await backend.step([slice(prompt, { blockTable: [0, 1] })]);
  const next = (blockTable: number[]) => slice([7], { startPosition: prompt.length, blockTable });
  await tokenOf(backend, next([0, 1, 2]));
  const message = "does not follow from the positions before it";
  await assertRejects(() => tokenOf(backend, next([1, 0, 2])), RangeError, message);
  await assertRejects(() => tokenOf(backend, next([0, 4, 2])), RangeError, message);
  const bytes = await backend.readBlocks([1]);
  bytes[bytes.length - 2]! ^= 1;
  backend.writeBlocks([1], bytes);
  await assertRejects(
    () => tokenOf(backend, next([0, 1, 2])),
    RangeError,
    "position 31 in block 1",
  );
});

Deno.test("a simulated answer ends by itself where the simulation gives it a mean length", async () => {
  await using endless = openBackend({ answerTokens: 0 });
  await using short = openBackend({ answerTokens: 2 });
  const seeds = Array.from({ length: 50 }, (_, seed) => seed);
  const ends = async (backend: Backend) => {
    const tokens = await Promise.all(
      seeds.map((seed) =>
        tokenOf(backend, slice([1], { sample: { ...GREEDY, temperature: 1, seed } }))
      ),
    );
    return tokens.filter((token) => token === END_TOKEN).length;
  };
  assertEquals(await ends(endless), 0);
  const count = await ends(short);
  assert(count > 10 && count < 40, `${count} of 50 ended`);
});

Deno.test("a simulated step takes its planned time, divided by the speed-up", async () => {
  const times = { stepMs: 8, rowMs: 2, prefillTokenMs: 1 };
  await using backend = openBackend({ ...times, speedup: 4 });
  const startMs = performance.now();
  const prefill = await backend.step([slice([1, 2, 3, 4])]);
  assertEquals(prefill.deviceTimeNs, (8 + 4) / 4 * 1e6);
  assert(performance.now() - startMs >= 2.9);
  const decode = await backend.step([slice([5], { startPosition: 4 })]);
  assertEquals(decode.deviceTimeNs, (8 + 2) / 4 * 1e6);
});

Deno.test("a simulated step that samples nothing has no passes of output and sampling", async () => {
  await using backend = openBackend({ stepMs: 1 });
  for (const sample of [GREEDY, null]) {
    const { passes = [], deviceTimeNs } = await backend.step([slice([1], { sample })], {
      timePasses: true,
    });
    const names = ["embed", "layers", ...(sample ? ["output", "sample"] : [])];
    assertEquals(passes.map(({ name }) => name), names);
    const totalMs = passes.reduce((sum, { durationMs }) => sum + durationMs, 0);
    assert(Math.abs(totalMs * 1e6 - deviceTimeNs!) < 1);
  }
});

Deno.test("simulated jitter stays within its share and is the same for a seed", async () => {
  const run = async (seed: number) => {
    await using backend = openBackend({ stepMs: 0.1, jitter: 0.5, seed });
    const steps = await Array.fromAsync({ length: 20 }, () => backend.step([slice([1])]));
    return steps.map(({ deviceTimeNs }) => deviceTimeNs!);
  };
  const times = await run(1);
  assertEquals(await run(1), times);
  assertNotEquals(await run(2), times);
  assert(times.every((ns) => ns >= 50_000 && ns <= 150_000), `${times}`);
  assert(Math.max(...times) > 1.2 * Math.min(...times), `${times}`);
});

Deno.test("a simulated fault fails its step, slows it, or loses the device after it", async () => {
  await using backend = openBackend({
    faults: [
      { kind: "fail", step: 1 },
      { kind: "slow", step: 2, extraMs: 5 },
      { kind: "lost", step: 3 },
    ],
  });
  await assertRejects(() => backend.step([slice([1])]), DeviceError, "Cannot run step 1");
  assertEquals((await backend.step([slice([1])])).deviceTimeNs, 5e6);
  await backend.step([slice([1])]);
  assert((await backend.failed).message.includes("lost"));
  await assertRejects(() => backend.step([slice([1])]), DeviceError, "after step 3");
});

Deno.test("a simulated step refuses more rows or slices than its limits", async () => {
  await using backend = openBackend();
  const long = Array.from({ length: 65 }, () => 1);
  const table = { blockTable: [0, 1, 2, 3, 4] };
  await assertRejects(() => backend.step([slice(long, table)]), DeviceError, "65 rows");
  const five = [0, 1, 2, 3, 4].map((block) => slice([1], { blockTable: [block] }));
  await assertRejects(() => backend.step(five), DeviceError, "5 slices");
});
