/** The engine from `submit` to the last event, on a fake backend whose tokens depend on all KV. */

import { assert, assertEquals, assertThrows } from "@std/assert/mod.js";
import { epochMs } from "../clock/epoch_clock.ts";
import { DeviceError } from "../engine/backend.ts";
import type { SequenceEvent, SequenceJob, StepReport } from "../engine/engine.ts";
import { fakeText } from "./testing/fake_backend.ts";
import { type FakeEngineOptions, startFakeEngine } from "./testing/fake_engine.ts";
import {
  collectEvents,
  computeMs,
  finishOf,
  generatedTokens,
  handOver,
  jobOf,
  nextEvent,
} from "./testing/run_sequence.ts";

function promptOf(length: number, seed = 0): number[] {
  return Array.from({ length }, (_, index) => (seed * 131 + index * 7) % 1000);
}

function textOf(job: SequenceJob): number[] {
  return fakeText(job.promptTokens, job);
}

function typesOf(events: readonly SequenceEvent[]): string[] {
  return events.map(({ type }) => type);
}

/** An engine whose steps wait for `open` to be called, and whose first step tells when it began. */
function startGatedEngine(options: FakeEngineOptions = {}) {
  const gate = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  const engine = startFakeEngine({
    ...options,
    onStep: async (slices) => {
      entered.resolve();
      await gate.promise;
      await options.onStep?.(slices);
    },
  });
  return { engine, firstStep: entered.promise, open: gate.resolve };
}

Deno.test("ThreadEngine generates the model's text, chunk by chunk", async () => {
  await using engine = startFakeEngine({ maxRows: 32 });
  const job = jobOf(promptOf(70), { maxTokens: 6 });
  const events = await collectEvents(engine.submit(job));
  assertEquals(generatedTokens(events), textOf(job));
  assertEquals(finishOf(events)?.reason, "length");
  assertEquals(typesOf(events).slice(0, 5), ["scheduled", "chunk", "chunk", "chunk", "token"]);
  const chunks = events.flatMap((event) =>
    event.type === "chunk" ? [[event.startPosition, event.tokens, event.step]] : []
  );
  assertEquals(chunks, [[0, 32, 0], [32, 32, 1], [64, 6, 2]]);
  const indexes = events.flatMap((event) => event.type === "token" ? [event.index] : []);
  assertEquals(indexes, [0, 1, 2, 3, 4, 5]);
});

Deno.test("ThreadEngine reports times in order and a share of compute", async () => {
  await using engine = startFakeEngine({ deviceTimeNs: 3_000_000 });
  const before = epochMs();
  const events = await collectEvents(engine.submit(jobOf(promptOf(20), { maxTokens: 4 })));
  const times = events.flatMap((event) => {
    if (event.type === "chunk") return [event.startMs, event.endMs];
    return "atMs" in event ? [event.atMs] : [];
  });
  assertEquals(times, times.toSorted((a, b) => a - b));
  assert(times[0] >= before);
  assertEquals(computeMs(events), 4 * 3);
});

Deno.test("ThreadEngine ends at a stop token, which is reported", async () => {
  await using engine = startFakeEngine();
  const prompt = promptOf(20);
  const text = textOf(jobOf(prompt, { maxTokens: 10 }));
  const job = jobOf(prompt, { maxTokens: 10, stopTokenIds: [text[3]] });
  const events = await collectEvents(engine.submit(job));
  assertEquals(generatedTokens(events), text.slice(0, text.indexOf(text[3]) + 1));
  assertEquals(finishOf(events)?.reason, "stop");
});

Deno.test("ThreadEngine gives each sequence of a batch the text it has alone", async () => {
  await using engine = startFakeEngine({ maxRows: 40, maxSlices: 6, totalBlocks: 200 });
  const jobs = Array.from({ length: 10 }, (_, index) => {
    const sampling = { temperature: index % 2, topK: 0, topP: 1, seed: index };
    return jobOf(promptOf(5 + index * 13, index), { maxTokens: 3 + index, sampling });
  });
  const results = await Promise.all(jobs.map((job) => collectEvents(engine.submit(job))));
  assertEquals(results.map(generatedTokens), jobs.map(textOf));
  assertEquals(engine.load.usedBlocks, 0);
});

Deno.test("ThreadEngine shares a step between decode rows and a prompt", async () => {
  const steps: [number, number][] = [];
  const { engine, firstStep, open } = startGatedEngine({
    maxRows: 32,
    onReport: ({ prefillRows, decodeRows }) => steps.push([prefillRows, decodeRows]),
  });
  await using _closing = engine;
  const first = engine.submit(jobOf(promptOf(4, 1), { maxTokens: 4 }));
  await firstStep;
  const second = engine.submit(jobOf(promptOf(40, 2), { maxTokens: 2 }));
  open();
  await Promise.all([collectEvents(first), collectEvents(second)]);
  assertEquals(steps, [[4, 0], [16, 1], [24, 1], [0, 2]]);
});

Deno.test("ThreadEngine reports who was in a step, and whose KV was copied before it", async () => {
  const reports: StepReport[] = [];
  const { engine, firstStep, open } = startGatedEngine({
    maxRows: 32,
    deviceTimeNs: 2_000_000,
    onReport: (report) => reports.push(report),
  });
  await using _closing = engine;
  const first = engine.submit(jobOf(promptOf(4, 1), { sequenceId: "a", maxTokens: 4 }));
  await firstStep;
  const second = engine.submit(jobOf(promptOf(40, 2), { sequenceId: "b", kind: "prefill" }));
  open();
  const [firstEvents] = await Promise.all([collectEvents(first), collectEvents(second)]);
  const member = (sequenceId: string, rows: number, isDecode: boolean) => ({
    sequenceId,
    rows,
    isDecode,
  });
  assertEquals(reports.map(({ members }) => members), [
    [member("a", 4, false)],
    [member("a", 1, true), member("b", 16, false)],
    [member("a", 1, true), member("b", 24, false)],
    [member("a", 1, true)],
  ]);
  assertEquals(
    reports.map(({ kvCopies }) => kvCopies.map((copy) => [copy.sequenceId, copy.direction])),
    [[], [], [["b", "export"]], [["b", "export"]]],
  );
  for (const { durationMs } of reports.flatMap(({ kvCopies }) => kvCopies)) assert(durationMs >= 0);
  assertEquals(reports.map(({ deviceMs }) => deviceMs), [2, 2, 2, 2]);
  assertEquals(computeMs(firstEvents), 2 + 2 / 17 + 2 / 25 + 2);
});

Deno.test("ThreadEngine reports KV that was written for a sequence", async () => {
  const reports: StepReport[] = [];
  await using prefill = startFakeEngine();
  await using decode = startFakeEngine({ onReport: (report) => reports.push(report) });
  await handOver({ prefill, decode }, jobOf(promptOf(20), { sequenceId: "a", maxTokens: 3 }));
  assertEquals(
    reports.map(({ kvCopies }) => kvCopies.map((copy) => [copy.sequenceId, copy.direction])),
    [[["a", "import"]], []],
  );
});

Deno.test("ThreadEngine reports no KV of sequences that all left before a step came", async () => {
  const reports: StepReport[] = [];
  await using prefill = startFakeEngine();
  await using decode = startFakeEngine({ onReport: (report) => reports.push(report) });
  const kv = prefill.submit(jobOf(promptOf(16), { kind: "prefill" }))[Symbol.asyncIterator]();
  const { data } = await nextEvent(kv, "kv");
  const left = decode.submit(jobOf(promptOf(16), { sequenceId: "a", kind: "decode" }));
  const events = left[Symbol.asyncIterator]();
  await nextEvent(events, "scheduled");
  left.importKv(0, data);
  left.cancel();
  await nextEvent(events, "finished");
  await collectEvents(decode.submit(jobOf(promptOf(4), { sequenceId: "b", maxTokens: 1 })));
  assertEquals(reports.map(({ kvCopies }) => kvCopies), [[]]);
});

Deno.test("ThreadEngine tells since when a step has run", async () => {
  const before = Math.floor(epochMs());
  const { engine, firstStep, open } = startGatedEngine();
  await using _closing = engine;
  assertEquals(engine.stepStartedAtMs, null);
  const sequence = engine.submit(jobOf(promptOf(4), { maxTokens: 1 }));
  await firstStep;
  assert((engine.stepStartedAtMs ?? 0) >= before);
  open();
  await collectEvents(sequence);
  assertEquals(engine.stepStartedAtMs, null);
});

Deno.test("ThreadEngine skips a cached prefix and generates the same text", async () => {
  await using engine = startFakeEngine();
  const prompt = promptOf(50);
  await collectEvents(engine.submit(jobOf(prompt)));
  const job = jobOf([...prompt.slice(0, 40), ...promptOf(9, 5)]);
  const events = await collectEvents(engine.submit(job));
  assertEquals(generatedTokens(events), textOf(job));
  assertEquals(events[0].type === "scheduled" && events[0].cachedTokens, 32);
});

Deno.test("ThreadEngine recomputes sequences that a full cache preempted, with the same text", async () => {
  await using engine = startFakeEngine({ totalBlocks: 8 });
  const jobs = [1, 2, 3].map((seed) => jobOf(promptOf(16, seed), { maxTokens: 60 }));
  const results = await Promise.all(jobs.map((job) => collectEvents(engine.submit(job))));
  assertEquals(results.map(generatedTokens), jobs.map(textOf));
  assert(results.some((events) => typesOf(events).includes("preempted")));
  for (const events of results) {
    assertEquals(typesOf(events).filter((type) => type === "scheduled"), ["scheduled"]);
  }
});

Deno.test("ThreadEngine hands a sequence over with the text that one engine gives", async () => {
  await using prefill = startFakeEngine({ maxRows: 32 });
  await using decode = startFakeEngine({ totalBlocks: 40 });
  for (const length of [1, 15, 16, 17, 32, 100]) {
    const job = jobOf(promptOf(length, length), { maxTokens: 20 });
    assertEquals(await handOver({ prefill, decode }, job), textOf(job), `${length} tokens`);
  }
});

Deno.test("ThreadEngine hands over cached blocks first, then those it computes", async () => {
  await using prefill = startFakeEngine({ maxRows: 24 });
  await using decode = startFakeEngine();
  const prompt = promptOf(70);
  await collectEvents(prefill.submit(jobOf(prompt.slice(0, 33))));
  const events = await collectEvents(prefill.submit(jobOf(prompt, { kind: "prefill" })));
  const ranges = events.flatMap((event) =>
    event.type === "kv" ? [[event.firstBlock, event.blocks]] : []
  );
  assertEquals(ranges, [[0, 3], [3, 2]]);
  const job = jobOf(prompt);
  assertEquals(await handOver({ prefill, decode }, job), textOf(job));
});

Deno.test("ThreadEngine hands over into blocks that the decode engine has cached", async () => {
  await using prefill = startFakeEngine();
  await using decode = startFakeEngine();
  const prompt = promptOf(48);
  await collectEvents(decode.submit(jobOf(prompt.slice(0, 40))));
  const job = jobOf(prompt);
  assertEquals(await handOver({ prefill, decode }, job), textOf(job));
});

Deno.test("ThreadEngine hands over while both caches are too small for all sequences", async () => {
  await using prefill = startFakeEngine({ totalBlocks: 7, maxRows: 24 });
  await using decode = startFakeEngine({ totalBlocks: 7 });
  const jobs = [1, 2, 3, 4, 5].map((seed) => jobOf(promptOf(20, seed), { maxTokens: 50 }));
  const results = await Promise.all(jobs.map((job) => handOver({ prefill, decode }, job)));
  assertEquals(results, jobs.map(textOf));
});

Deno.test("ThreadEngine posts KV of finished chunks early, and the first token before the last KV", async () => {
  await using engine = startFakeEngine({ maxRows: 32 });
  const events = await collectEvents(engine.submit(jobOf(promptOf(70), { kind: "prefill" })));
  assertEquals(typesOf(events), [
    "scheduled",
    "chunk",
    "kv",
    "chunk",
    "kv",
    "chunk",
    "token",
    "kv",
    "finished",
  ]);
});

Deno.test("ThreadEngine cancels a sequence that waits, runs or imports", async () => {
  await using engine = startFakeEngine({
    maxSlices: 2,
    contextLength: 100_000,
    totalBlocks: 7_000,
  });
  const running = engine.submit(jobOf(promptOf(10), { maxTokens: 90_000 }));
  const importing = engine.submit(jobOf(promptOf(10, 1), { kind: "decode" }));
  const waiting = engine.submit(jobOf(promptOf(10, 2)));
  const runningEvents = running[Symbol.asyncIterator]();
  const importingEvents = importing[Symbol.asyncIterator]();
  await nextEvent(runningEvents, "token");
  await nextEvent(importingEvents, "scheduled");

  waiting.cancel();
  assertEquals(typesOf(await collectEvents(waiting)), ["finished"]);
  importing.cancel();
  assertEquals((await nextEvent(importingEvents, "finished")).reason, "cancelled");
  running.cancel();
  assertEquals((await nextEvent(runningEvents, "finished")).reason, "cancelled");
  assertEquals(engine.load, {
    runningSequences: 0,
    waitingSequences: 0,
    pendingPromptTokens: 0,
    usedBlocks: 0,
    totalBlocks: 7_000,
  });
});

Deno.test("ThreadEngine sees a cancel between two steps, however busy it is", async () => {
  const { engine, firstStep, open } = startGatedEngine();
  await using _closing = engine;
  const sequence = engine.submit(jobOf(promptOf(10), { maxTokens: 400 }));
  await firstStep;
  sequence.cancel();
  open();
  assertEquals(typesOf(await collectEvents(sequence)), ["scheduled", "chunk", "token", "finished"]);
});

Deno.test("ThreadEngine cancels a sequence whose reader leaves early", async () => {
  await using engine = startFakeEngine({ contextLength: 100_000, totalBlocks: 7_000 });
  for await (const event of engine.submit(jobOf(promptOf(10), { maxTokens: 90_000 }))) {
    if (event.type === "token") break;
  }
  const next = await collectEvents(engine.submit(jobOf(promptOf(4), { maxTokens: 1 })));
  assertEquals(finishOf(next)?.reason, "length");
  assertEquals(engine.load.runningSequences, 0);
});

Deno.test("ThreadEngine refuses what is too long or too much", async () => {
  const { engine, firstStep, open } = startGatedEngine({ maxSlices: 1, queueLimit: 1 });
  await using _closing = engine;
  const [tooLong] = await collectEvents(engine.submit(jobOf(promptOf(500), { maxTokens: 100 })));
  assertEquals(tooLong.type === "failed" && tooLong.code, "too_long");
  const kept = [engine.submit(jobOf(promptOf(4)))];
  await firstStep;
  kept.push(engine.submit(jobOf(promptOf(4))));
  const refused = collectEvents(engine.submit(jobOf(promptOf(4))));
  open();
  const [overloaded] = await refused;
  assertEquals(overloaded.type === "failed" && overloaded.code, "overloaded");
  for (const sequence of kept) {
    assertEquals(finishOf(await collectEvents(sequence))?.reason, "length");
  }
});

Deno.test("ThreadEngine fails a sequence that is imported into too early, and no other", async () => {
  const { engine, firstStep, open } = startGatedEngine({ maxSlices: 1 });
  await using _closing = engine;
  const job = jobOf(promptOf(10));
  const running = engine.submit(job);
  await firstStep;
  const early = engine.submit(jobOf(promptOf(10, 1), { kind: "decode" }));
  early.importKv(0, new Uint8Array(engine.info.kv.blockBytes));
  open();
  const [failed] = await collectEvents(early);
  assert(failed.type === "failed" && failed.message.includes('wait for its "scheduled" event'));
  assertEquals(generatedTokens(await collectEvents(running)), textOf(job));
});

Deno.test("ThreadEngine fails a sequence that gets damaged KV or begins without it", async () => {
  await using engine = startFakeEngine();
  const partial = engine.submit(jobOf(promptOf(20), { kind: "decode" }));
  const partialEvents = partial[Symbol.asyncIterator]();
  await nextEvent(partialEvents, "scheduled");
  partial.importKv(0, new Uint8Array(100));
  const failed = await nextEvent(partialEvents, "failed");
  assert(failed.message.includes("100 bytes are not whole blocks of 128"));

  const missing = engine.submit(jobOf(promptOf(20, 1), { kind: "decode" }));
  const missingEvents = missing[Symbol.asyncIterator]();
  await nextEvent(missingEvents, "scheduled");
  missing.begin(1);
  assert((await nextEvent(missingEvents, "failed")).message.includes("KV of 2 of its 2 prompt"));
  assertEquals(engine.load.usedBlocks, 0);
});

Deno.test("ThreadEngine fails every sequence and closes when the device fails", async () => {
  let steps = 0;
  const engine = startFakeEngine({
    maxSlices: 2,
    onStep: () => {
      if (++steps === 3) throw new DeviceError("The device was lost: restart the worker");
    },
  });
  const sequences = [1, 2, 3].map((seed) => engine.submit(jobOf(promptOf(10, seed))));
  const importing = engine.submit(jobOf(promptOf(10), { kind: "decode" }));
  for (const sequence of [...sequences, importing]) {
    const last = (await collectEvents(sequence)).at(-1);
    assertEquals(last, {
      type: "failed",
      code: "engine_failed",
      message: "The device was lost: restart the worker",
    });
  }
  const reason = await engine.closed;
  assert(reason instanceof DeviceError);
  const [late] = await collectEvents(engine.submit(jobOf(promptOf(10))));
  assertEquals(late, { type: "failed", code: "engine_failed", message: reason?.message });
  await engine[Symbol.asyncDispose]();
});

Deno.test("ThreadEngine closes with the reason when the device fails while nothing runs", async () => {
  const { promise: failed, resolve: fail } = Promise.withResolvers<DeviceError>();
  const engine = startFakeEngine({ failed });
  await collectEvents(engine.submit(jobOf(promptOf(10))));
  fail(new DeviceError("The device was lost: restart the worker"));
  const reason = await engine.closed;
  assert(reason instanceof DeviceError);
  assertEquals(reason?.message, "The device was lost: restart the worker");
  const [late] = await collectEvents(engine.submit(jobOf(promptOf(10))));
  assertEquals(late, { type: "failed", code: "engine_failed", message: reason?.message });
});

Deno.test("ThreadEngine fails live sequences when it is closed, and resolves closed with null", async () => {
  const engine = startFakeEngine({ maxSlices: 1 });
  const sequences = [1, 2].map((seed) =>
    engine.submit(jobOf(promptOf(10, seed), { maxTokens: 400 }))
  );
  const importing = engine.submit(jobOf(promptOf(10), { kind: "decode" }));
  await engine[Symbol.asyncDispose]();
  assertEquals(await engine.closed, null);
  for (const sequence of [...sequences, importing]) {
    const last = (await collectEvents(sequence)).at(-1);
    assertEquals(last?.type === "failed" && last.message, "The engine was closed");
  }
  await engine[Symbol.asyncDispose]();
});

Deno.test("ThreadEngine.submit() throws for a job that no engine can run", async () => {
  await using engine = startFakeEngine();
  const job = jobOf(promptOf(4), { maxTokens: 200 });
  engine.submit(job);
  assertThrows(() => engine.submit(job), RangeError, "one with this id is live");
  assertThrows(() => engine.submit(jobOf([])), RangeError, "its prompt has no tokens");
  const decode = engine.submit(jobOf(promptOf(4), { kind: "decode" }));
  assertThrows(() => decode.begin(1000), RangeError, "token id 1000 is outside the vocabulary");
});

Deno.test("ThreadEngine takes a finished sequence's id again, and ignores commands to the old one", async () => {
  await using engine = startFakeEngine();
  const job = jobOf(promptOf(10));
  const first = engine.submit(job);
  await collectEvents(first);
  const second = engine.submit(job);
  first.cancel();
  assertEquals(generatedTokens(await collectEvents(second)), textOf(job));
});

Deno.test("ThreadEngine.load follows the queue before a step ends", async () => {
  const { engine, firstStep, open } = startGatedEngine({ maxSlices: 1 });
  await using _closing = engine;
  const events = engine.submit(jobOf(promptOf(20)))[Symbol.asyncIterator]();
  await firstStep;
  await nextEvent(events, "scheduled");
  assertEquals(engine.load, {
    runningSequences: 1,
    waitingSequences: 0,
    pendingPromptTokens: 20,
    usedBlocks: 2,
    totalBlocks: 64,
  });
  open();
  await Array.fromAsync({ [Symbol.asyncIterator]: () => events });
  assertEquals(engine.load.runningSequences, 0);
});
