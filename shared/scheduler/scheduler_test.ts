import { assertEquals, assertThrows } from "@std/assert/mod.js";
import type { SequenceJob } from "../engine/engine.ts";
import type { Batch } from "./batch.ts";
import { Scheduler, type SchedulerOptions, SequenceStateError } from "./scheduler.ts";
import { Sequence } from "./sequence.ts";

const OPTIONS: SchedulerOptions = {
  totalBlocks: 32,
  contextLength: 512,
  maxBatchTokens: 64,
  maxSequences: 4,
  queueLimit: 8,
};

let nextId = 0;

function sequenceOf(promptTokens: number | readonly number[], job: Partial<SequenceJob> = {}) {
  const id = nextId++;
  return new Sequence({
    kind: "generate",
    sequenceId: `s${id}`,
    promptTokens: typeof promptTokens === "number"
      ? Array.from({ length: promptTokens }, (_, index) => id * 1000 + index)
      : promptTokens,
    sampling: { temperature: 0, topK: 0, topP: 1, seed: 0 },
    maxTokens: 8,
    stopTokenIds: [],
    ...job,
  });
}

function schedulerWith(sequences: readonly Sequence[], options: Partial<SchedulerOptions> = {}) {
  const scheduler = new Scheduler({ ...OPTIONS, ...options });
  for (const sequence of sequences) assertEquals(scheduler.add(sequence), null);
  return scheduler;
}

/** Runs one step; every sampled token is `token`. Removes what finishes. */
function step(scheduler: Scheduler, token = 7): Batch {
  const batch = scheduler.schedule();
  scheduler.commit(batch, batch.slices.map(({ isSampled }) => isSampled ? token : null));
  for (const { sequence } of batch.slices) {
    if (sequence.phase === "finished") scheduler.remove(sequence);
  }
  return batch;
}

/** [sequence, start, tokens] of each slice. */
function slicesOf(batch: Batch): [Sequence, number, number][] {
  return batch.slices.map(({ sequence, startPosition, tokens }) => {
    return [sequence, startPosition, tokens.length];
  });
}

Deno.test("Scheduler.schedule() takes decode rows first and fills up with a prompt chunk", () => {
  const first = sequenceOf(10);
  const scheduler = schedulerWith([first]);
  step(scheduler);
  const second = sequenceOf(100);
  scheduler.add(second);
  const batch = step(scheduler);
  assertEquals(slicesOf(batch), [[first, 10, 1], [second, 0, 48]]);
  assertEquals([batch.decodeRows, batch.prefillRows], [1, 48]);
  assertEquals(slicesOf(step(scheduler)), [[first, 11, 1], [second, 48, 52]]);
});

Deno.test("Scheduler.schedule() ends chunks at block boundaries and samples after the last only", () => {
  const sequence = sequenceOf(170);
  const scheduler = schedulerWith([sequence], { maxBatchTokens: 60 });
  const seen = Array.from({ length: 4 }, () => step(scheduler).slices[0]);
  assertEquals(
    seen.map(({ startPosition, tokens, isSampled }) => [startPosition, tokens.length, isSampled]),
    [[0, 48, false], [48, 48, false], [96, 48, false], [144, 26, true]],
  );
});

Deno.test("Scheduler.schedule() puts several prompts into one step, in order of arrival", () => {
  const sequences = [sequenceOf(20), sequenceOf(20), sequenceOf(20)];
  const scheduler = schedulerWith(sequences);
  assertEquals(slicesOf(step(scheduler)), [
    [sequences[0], 0, 20],
    [sequences[1], 0, 20],
    [sequences[2], 0, 20],
  ]);
});

Deno.test("Scheduler.schedule() computes the older of two long prompts first", () => {
  const [older, newer] = [sequenceOf(128), sequenceOf(64)];
  const scheduler = schedulerWith([older, newer]);
  assertEquals(slicesOf(step(scheduler)), [[older, 0, 64]]);
  assertEquals(slicesOf(step(scheduler)), [[older, 64, 64]]);
  assertEquals(slicesOf(step(scheduler)), [[older, 128, 1], [newer, 0, 48]]);
});

Deno.test("Scheduler.schedule() advances a prompt however many sequences decode", () => {
  const options = { maxBatchTokens: 20, maxSequences: 4 };
  const decoding = [sequenceOf(1), sequenceOf(1), sequenceOf(1)];
  const scheduler = schedulerWith(decoding, options);
  step(scheduler);
  const long = sequenceOf(64);
  scheduler.add(long);
  for (let start = 0; start < 64; start += 16) {
    assertEquals(slicesOf(step(scheduler)).at(-1), [long, start, 16]);
  }
});

Deno.test("Scheduler.schedule() admits nobody into a step that has less than a block of rows left", () => {
  const [first, second] = [sequenceOf(100), sequenceOf(100)];
  const scheduler = schedulerWith([first, second], { maxBatchTokens: 20 });
  const batch = step(scheduler);
  assertEquals(slicesOf(batch), [[first, 0, 16]]);
  assertEquals(batch.admitted, [first]);
  assertEquals(second.blockTable, []);
});

Deno.test("Scheduler.schedule() admits no more than maxSequences", () => {
  const sequences = Array.from({ length: 6 }, () => sequenceOf(2, { maxTokens: 2 }));
  const scheduler = schedulerWith(sequences);
  assertEquals(step(scheduler).admitted, sequences.slice(0, 4));
  assertEquals(step(scheduler).admitted, []);
  assertEquals(step(scheduler).admitted, sequences.slice(4));
});

Deno.test("Scheduler.schedule() lets no small job pass a large one that waits for blocks", () => {
  const running = sequenceOf(32, { maxTokens: 3 });
  const scheduler = schedulerWith([running], { totalBlocks: 5 });
  step(scheduler);
  const [large, small] = [sequenceOf(40), sequenceOf(2)];
  scheduler.add(large);
  scheduler.add(small);
  assertEquals(step(scheduler).admitted, []);
  step(scheduler);
  assertEquals(step(scheduler).admitted, [large, small]);
});

Deno.test("Scheduler.schedule() admits only where a block remains for each sequence that grows", () => {
  const growing = sequenceOf(10);
  const scheduler = schedulerWith([growing], { totalBlocks: 4 });
  step(scheduler);
  const waiting = sequenceOf(40);
  scheduler.add(waiting);
  assertEquals(step(scheduler).admitted, []);
  scheduler.remove(waiting);
  const fitting = sequenceOf(32);
  scheduler.add(fitting);
  assertEquals(step(scheduler).admitted, [fitting]);
});

Deno.test("Scheduler.schedule() lets an import pass a prompt that waits for rows only", () => {
  const computing = sequenceOf(128);
  const scheduler = schedulerWith([computing]);
  const [waiting, imported] = [sequenceOf(20), sequenceOf(20, { kind: "decode" })];
  scheduler.add(waiting);
  scheduler.add(imported);
  assertEquals(step(scheduler).admitted, [computing, imported]);
  assertEquals(imported.phase, "importing");
});

Deno.test("Scheduler.add() refuses as overloaded what neither runs nor may wait", () => {
  const scheduler = schedulerWith(Array.from({ length: 12 }, () => sequenceOf(2)));
  assertEquals(scheduler.add(sequenceOf(2))?.code, "overloaded");
  step(scheduler);
  assertEquals(scheduler.load.waitingSequences, 8);
  assertEquals(scheduler.add(sequenceOf(2))?.code, "overloaded");
});

Deno.test("Scheduler.add() with a queue limit of 0 takes what can run", () => {
  const scheduler = schedulerWith([sequenceOf(2)], { maxSequences: 1, queueLimit: 0 });
  assertEquals(scheduler.add(sequenceOf(2))?.code, "overloaded");
});

Deno.test("Scheduler.add() refuses as too_long what could not fit alone, and says why", () => {
  const scheduler = schedulerWith([], { totalBlocks: 4, contextLength: 80 });
  assertEquals(
    scheduler.add(sequenceOf(70, { maxTokens: 11 }))?.message,
    "Cannot fit 70 prompt tokens and 11 generated ones in a context of 80 tokens",
  );
  const refusal = scheduler.add(sequenceOf(60, { maxTokens: 6 }));
  assertEquals(refusal?.code, "too_long");
  assertEquals(
    refusal?.message,
    "Cannot fit 60 prompt tokens and 6 generated ones in a KV cache of 64 tokens",
  );
  assertEquals(scheduler.add(sequenceOf(60, { maxTokens: 5 })), null);
  assertEquals(scheduler.add(sequenceOf(64, { kind: "prefill", maxTokens: 400 })), null);
  assertEquals(scheduler.add(sequenceOf(65, { kind: "prefill" }))?.code, "too_long");
});

Deno.test("Scheduler refuses step sizes that could starve prompts", () => {
  assertThrows(
    () => new Scheduler({ ...OPTIONS, maxBatchTokens: 19, maxSequences: 4 }),
    RangeError,
    "set maxBatchTokens to 20 or more",
  );
});

Deno.test("Scheduler.commit() ends a sequence at a stop token or after maxTokens", () => {
  const stopped = sequenceOf(4, { stopTokenIds: [99] });
  const limited = sequenceOf(4, { maxTokens: 2 });
  const scheduler = schedulerWith([stopped, limited]);
  step(scheduler, 5);
  assertEquals([stopped.finishReason, limited.finishReason], [null, null]);
  step(scheduler, 99);
  assertEquals([stopped.finishReason, limited.finishReason], ["stop", "length"]);
  assertEquals(scheduler.load.runningSequences, 0);
});

Deno.test("Scheduler.commit() ends a prefill sequence after one token and keeps its blocks", () => {
  const sequence = sequenceOf(20, { kind: "prefill" });
  const scheduler = schedulerWith([sequence]);
  const batch = scheduler.schedule();
  scheduler.commit(batch, [3]);
  assertEquals(sequence.finishReason, "length");
  assertEquals(scheduler.load.usedBlocks, 2);
  scheduler.remove(sequence);
  assertEquals(scheduler.load.usedBlocks, 0);
});

Deno.test("Scheduler.commit() refuses results that do not match what was asked for", () => {
  const scheduler = schedulerWith([sequenceOf(4)]);
  assertThrows(() => scheduler.commit(scheduler.schedule(), [null]), Error, "sampled no token");
});

Deno.test("Scheduler reuses a cached prefix and computes only the rest", () => {
  const prompt = Array.from({ length: 40 }, (_, index) => index);
  const scheduler = schedulerWith([sequenceOf(prompt, { maxTokens: 1 })]);
  step(scheduler);
  const again = sequenceOf([...prompt, 50, 51]);
  scheduler.add(again);
  assertEquals(slicesOf(step(scheduler)), [[again, 32, 10]]);
  assertEquals(again.cachedTokens, 32);
});

Deno.test("Scheduler computes at least the last token of a fully cached prompt, in a block of its own", () => {
  const prompt = Array.from({ length: 32 }, (_, index) => index);
  const holder = sequenceOf(prompt);
  const scheduler = schedulerWith([holder]);
  step(scheduler);
  const again = sequenceOf(prompt);
  scheduler.add(again);
  const batch = scheduler.schedule();
  assertEquals(slicesOf(batch), [[holder, 32, 1], [again, 16, 16]]);
  assertEquals(again.blockTable[0], holder.blockTable[0]);
  assertEquals(holder.blockTable.includes(again.blockTable[1]), false);
});

Deno.test("Scheduler shares blocks of prompts that were computed side by side", () => {
  const prompt = Array.from({ length: 20 }, (_, index) => index);
  const [first, second] = [sequenceOf(prompt), sequenceOf(prompt)];
  const scheduler = schedulerWith([first, second]);
  step(scheduler);
  assertEquals(second.blockTable[0], first.blockTable[0]);
  assertEquals(scheduler.load.usedBlocks, 3);
  scheduler.remove(first);
  assertEquals(scheduler.load.usedBlocks, 2);
});

Deno.test("Scheduler finds blocks that hold generated tokens too", () => {
  const prompt = Array.from({ length: 14 }, (_, index) => index);
  const scheduler = schedulerWith([sequenceOf(prompt, { maxTokens: 3 })]);
  for (let count = 0; count < 3; count++) step(scheduler, 7);
  const next = sequenceOf([...prompt, 7, 7, 7, 8]);
  scheduler.add(next);
  assertEquals(slicesOf(step(scheduler)), [[next, 16, 2]]);
});

Deno.test("Scheduler.load counts sequences, prompt tokens to compute and held blocks", () => {
  const scheduler = schedulerWith([
    sequenceOf(100),
    sequenceOf(30),
    sequenceOf(20, { kind: "decode" }),
  ]);
  step(scheduler);
  assertEquals(scheduler.load, {
    runningSequences: 2,
    waitingSequences: 1,
    pendingPromptTokens: 36 + 30,
    usedBlocks: 7 + 2,
    totalBlocks: 32,
  });
});

Deno.test("Scheduler.placeImport() and begin() take a decode sequence to its first row", () => {
  const sequence = sequenceOf(40, { kind: "decode" });
  const scheduler = schedulerWith([sequence]);
  assertEquals(step(scheduler).slices, []);
  const table = sequence.blockTable;
  assertEquals(scheduler.placeImport(sequence, 1, 2).blocks, table.slice(1));
  assertThrows(() => scheduler.begin(sequence, 5), SequenceStateError, "KV of 1 of its 3 prompt");
  assertEquals(scheduler.placeImport(sequence, 0, 1).blocks, table.slice(0, 1));
  scheduler.begin(sequence, 5);
  const batch = step(scheduler);
  assertEquals(slicesOf(batch), [[sequence, 40, 1]]);
  assertEquals(batch.slices[0].tokens, [5]);
});

Deno.test("Scheduler.placeImport() skips blocks that the prefix cache holds", () => {
  const prompt = Array.from({ length: 48 }, (_, index) => index);
  const scheduler = schedulerWith([sequenceOf(prompt.slice(0, 33), { maxTokens: 1 })]);
  step(scheduler);
  const sequence = sequenceOf(prompt, { kind: "decode" });
  scheduler.add(sequence);
  step(scheduler);
  assertEquals(sequence.cachedTokens, 32);
  assertEquals(scheduler.placeImport(sequence, 0, 1), { skippedBlocks: 1, blocks: [] });
  assertEquals(scheduler.placeImport(sequence, 1, 2), {
    skippedBlocks: 1,
    blocks: [sequence.blockTable[2]],
  });
  scheduler.begin(sequence, 5);
});

Deno.test("Scheduler.begin() makes imported blocks findable", () => {
  const prompt = Array.from({ length: 40 }, (_, index) => index);
  const sequence = sequenceOf(prompt, { kind: "decode" });
  const scheduler = schedulerWith([sequence]);
  step(scheduler);
  scheduler.placeImport(sequence, 0, 3);
  const early = sequenceOf(prompt, { kind: "decode" });
  scheduler.add(early);
  step(scheduler);
  assertEquals(early.cachedTokens, 0);
  scheduler.begin(sequence, 5);
  const late = sequenceOf(prompt);
  scheduler.add(late);
  step(scheduler);
  assertEquals(late.cachedTokens, 32);
});

Deno.test("Scheduler.begin() ends a sequence whose first token was its last", () => {
  const limited = sequenceOf(4, { kind: "decode", maxTokens: 1 });
  const stopped = sequenceOf(4, { kind: "decode", stopTokenIds: [5] });
  const scheduler = schedulerWith([limited, stopped]);
  step(scheduler);
  for (const sequence of [limited, stopped]) {
    scheduler.placeImport(sequence, 0, 1);
    scheduler.begin(sequence, 5);
  }
  assertEquals([limited.finishReason, stopped.finishReason], ["length", "stop"]);
  assertEquals(step(scheduler).slices, []);
});

Deno.test("Scheduler.placeImport() and begin() refuse calls at the wrong time", () => {
  const decode = sequenceOf(20, { kind: "decode" });
  const generate = sequenceOf(20);
  const scheduler = schedulerWith([decode, generate]);
  const refuse = (call: () => unknown, message: string) =>
    assertThrows(call, SequenceStateError, message);
  refuse(() => scheduler.placeImport(decode, 0, 1), 'wait for its "scheduled" event');
  refuse(() => scheduler.begin(decode, 1), 'wait for its "scheduled" event');
  refuse(() => scheduler.placeImport(generate, 0, 1), "it is a generate sequence");
  refuse(() => scheduler.begin(generate, 1), "it is a generate sequence");
  step(scheduler);
  refuse(() => scheduler.placeImport(decode, 1, 2), "blocks 1 to 2 are not among its 2");
  refuse(() => scheduler.placeImport(decode, -1, 1), "are not among its 2");
  scheduler.placeImport(decode, 0, 2);
  scheduler.begin(decode, 1);
  refuse(() => scheduler.placeImport(decode, 0, 1), "it has begun");
  refuse(() => scheduler.begin(decode, 1), "it has begun");
});

Deno.test("Scheduler preempts the youngest when the cache runs out, and computes it again", () => {
  const [older, younger] = [
    sequenceOf(16, { maxTokens: 30 }),
    sequenceOf(16, { maxTokens: 30 }),
  ];
  const scheduler = schedulerWith([older, younger], { totalBlocks: 4 });
  // Both hold two blocks from token 17 on; at token 33 the older one needs a third.
  const before = Array.from({ length: 17 }, () => step(scheduler));
  assertEquals(before.flatMap(({ preempted }) => preempted), []);
  const batch = step(scheduler);
  assertEquals(batch.preempted, [{ sequence: younger, by: older }]);
  assertEquals(slicesOf(batch), [[older, 32, 1]]);
  assertEquals(younger.phase, "waiting");
  assertEquals(younger.generatedTokens, 17);
  assertEquals(scheduler.load.pendingPromptTokens, 16);

  let next = step(scheduler);
  while (!next.admitted.includes(younger)) next = step(scheduler);
  assertEquals(older.finishReason, "length");
  // The older one took the end of its prefix; the beginning is still cached.
  assertEquals(slicesOf(next), [[younger, 16, 17]]);
  // What it finds of its own when it comes back was no prefix that its request found.
  assertEquals(younger.cachedTokens, 0);
  while (younger.finishReason === null) step(scheduler);
  assertEquals(younger.generatedTokens, 30);
  assertEquals(scheduler.load.usedBlocks, 0);
});

Deno.test("Scheduler preempts an importing sequence, ignores its KV and computes its prompt", () => {
  const older = sequenceOf(16, { maxTokens: 40 });
  const importing = sequenceOf(20, { kind: "decode", maxTokens: 4 });
  const scheduler = schedulerWith([older, importing], { totalBlocks: 4 });
  while (step(scheduler).preempted.length === 0) assertEquals(importing.phase, "importing");
  assertEquals(importing.phase, "waiting");
  assertEquals(scheduler.placeImport(importing, 0, 2), { skippedBlocks: 2, blocks: [] });
  while (older.finishReason === null) step(scheduler);

  const recomputed = step(scheduler);
  assertEquals(slicesOf(recomputed), [[importing, 0, 20]]);
  assertEquals(recomputed.slices[0].isSampled, false);
  assertEquals(step(scheduler).slices, []);
  scheduler.begin(importing, 5);
  assertEquals(slicesOf(step(scheduler)), [[importing, 20, 1]]);
});

Deno.test("Scheduler.begin() of a preempted sequence computes prompt and first token together", () => {
  const older = sequenceOf(16, { maxTokens: 40 });
  const importing = sequenceOf(20, { kind: "decode", maxTokens: 4 });
  const scheduler = schedulerWith([older, importing], { totalBlocks: 4 });
  while (importing.phase !== "waiting" || importing.reservations === 0) step(scheduler);
  scheduler.begin(importing, 5);
  scheduler.remove(older);
  const batch = step(scheduler);
  assertEquals(slicesOf(batch), [[importing, 0, 21]]);
  assertEquals(batch.slices[0].isSampled, true);
});

Deno.test("Scheduler.remove() frees the blocks of a sequence in any phase", () => {
  const waiting = sequenceOf(20);
  const running = sequenceOf(100);
  const importing = sequenceOf(20, { kind: "decode" });
  const scheduler = schedulerWith([running, waiting, importing]);
  step(scheduler);
  assertEquals([waiting, running, importing].map(({ phase }) => phase), [
    "waiting",
    "running",
    "importing",
  ]);
  for (const sequence of [waiting, running, importing]) scheduler.remove(sequence);
  assertEquals(scheduler.load, {
    runningSequences: 0,
    waitingSequences: 0,
    pendingPromptTokens: 0,
    usedBlocks: 0,
    totalBlocks: 32,
  });
  assertEquals(step(scheduler).slices, []);
});
