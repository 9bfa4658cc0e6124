/** Random work against invariants: whatever comes in whatever order, no block is lost or written twice. */

import { assert, assertEquals } from "@std/assert/mod.js";
import { BLOCK_TOKENS } from "../engine/backend.ts";
import type { SequenceKind } from "../engine/engine.ts";
import type { Batch } from "./batch.ts";
import { Scheduler, type SchedulerOptions } from "./scheduler.ts";
import { Sequence } from "./sequence.ts";

const KINDS: readonly SequenceKind[] = ["generate", "prefill", "decode"];
const STOP_TOKEN = 3;

/** Numbers from 0 up to `below`, the same for the same seed. */
type Random = (below: number) => number;

function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) % below;
  };
}

/** Prompts start alike often, so that prefixes are shared. */
function randomSequence(random: Random, id: number): Sequence {
  const family = random(3);
  const promptTokens = Array.from({ length: 1 + random(60) }, (_, index) => family * 1000 + index);
  if (random(2) === 0) promptTokens[random(promptTokens.length)] = 5000 + id;
  return new Sequence({
    kind: KINDS[random(3)],
    sequenceId: `s${id}`,
    promptTokens,
    sampling: { temperature: 0, topK: 0, topP: 1, seed: 0 },
    maxTokens: 1 + random(100),
    stopTokenIds: [STOP_TOKEN],
  });
}

function checkBatch(batch: Batch, options: SchedulerOptions): void {
  assert(batch.rows <= options.maxBatchTokens);
  assertEquals(new Set(batch.slices.map(({ sequence }) => sequence)).size, batch.slices.length);
  // Decode rows come first, save for those of sequences that only now got their blocks (again).
  const earlier = batch.slices.filter(({ sequence }) => !batch.admitted.includes(sequence));
  const chunkIndex = earlier.findIndex(({ isDecode }) => !isDecode);
  assert(chunkIndex < 0 || earlier.slice(chunkIndex).every(({ isDecode }) => !isDecode));
  for (const { sequence, startPosition, tokens, isSampled } of batch.slices) {
    const end = startPosition + tokens.length;
    assert(tokens.length > 0);
    assertEquals(sequence.phase, "running");
    assertEquals(startPosition, sequence.computedTokens);
    assertEquals(tokens, sequence.tokens.slice(startPosition, end));
    assert(end <= sequence.blockTable.length * BLOCK_TOKENS);
    assert(startPosition >= sequence.prefix.length * BLOCK_TOKENS, "a shared block is written to");
    assert(end === sequence.tokens.length || end % BLOCK_TOKENS === 0);
    assertEquals(isSampled, end === sequence.tokens.length && sequence.isSampledNext);
  }
}

/** Every held block is counted once, and is in two tables only as a shared prefix. */
function checkBlocks(scheduler: Scheduler, live: ReadonlySet<Sequence>): void {
  const owners = new Map<number, boolean>();
  for (const sequence of live) {
    if (sequence.phase === "waiting") assertEquals(sequence.blockTable, []);
    sequence.blockTable.forEach((block, index) => {
      const cached = sequence.prefix.at(index);
      const isShared = index < sequence.prefix.length;
      assert(!owners.has(block) || (isShared && owners.get(block)), `block ${block} is held twice`);
      owners.set(block, isShared);
      if (cached === undefined || !isShared) return;
      assertEquals(cached.block, block);
      const start = index * BLOCK_TOKENS;
      assertEquals(cached.tokens, sequence.tokens.slice(start, start + BLOCK_TOKENS));
    });
  }
  assertEquals(scheduler.load.usedBlocks, owners.size);
}

interface World {
  readonly options: SchedulerOptions;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly live: Set<Sequence>;
}

function endIfFinished({ scheduler, live }: World, sequence: Sequence): void {
  if (sequence.finishReason === null) return;
  scheduler.remove(sequence);
  live.delete(sequence);
}

function step(world: World): Batch {
  const { options, scheduler, random } = world;
  const batch = scheduler.schedule();
  checkBatch(batch, options);
  checkBlocks(scheduler, world.live);
  scheduler.commit(batch, batch.slices.map(({ isSampled }) => isSampled ? random(100) : null));
  checkBlocks(scheduler, world.live);
  for (const { sequence } of batch.slices) endIfFinished(world, sequence);
  return batch;
}

/** Imports some KV into a decode sequence that takes it, and begins it when that was the last. */
function importSome(world: World, sequence: Sequence): void {
  const { scheduler, random } = world;
  if (sequence.reservations === 0 || sequence.generatedTokens > 0) return;
  const firstBlock = [...sequence.awaitedBlocks][0];
  if (firstBlock !== undefined) {
    const count = 1 + random(sequence.promptBlocks - firstBlock);
    scheduler.placeImport(sequence, firstBlock, count);
  }
  if (sequence.awaitedBlocks.size > 0) return;
  scheduler.begin(sequence, random(100));
  endIfFinished(world, sequence);
}

function randomAction(world: World, nextId: number): void {
  const { scheduler, random, live } = world;
  const dice = random(10);
  const anyone = [...live][random(Math.max(1, live.size))];
  if (dice < 4) {
    const sequence = randomSequence(random, nextId);
    if (scheduler.add(sequence) === null) live.add(sequence);
  } else if (dice < 5 && random(3) === 0 && anyone !== undefined) {
    scheduler.remove(anyone);
    live.delete(anyone);
  } else if (dice < 8) {
    for (const sequence of [...live]) {
      if (sequence.job.kind === "decode") importSome(world, sequence);
    }
  }
}

function worldOf(seed: number): World {
  const random = seededRandom(seed);
  const maxSequences = 1 + random(6);
  const options = {
    totalBlocks: 6 + random(12),
    contextLength: 160,
    maxBatchTokens: maxSequences + BLOCK_TOKENS + random(60),
    maxSequences,
    queueLimit: random(6),
  };
  return { options, random, scheduler: new Scheduler(options), live: new Set() };
}

Deno.test("Scheduler keeps its invariants in random interleavings and loses no block", () => {
  let preemptions = 0;
  for (let seed = 0; seed < 60; seed++) {
    const world = worldOf(seed);
    for (let turn = 0; turn < 120; turn++) {
      randomAction(world, turn);
      checkBlocks(world.scheduler, world.live);
      preemptions += step(world).preempted.length;
    }
    for (const sequence of world.live) world.scheduler.remove(sequence);
    assertEquals(world.scheduler.load.usedBlocks, 0, `seed ${seed}`);
  }
  assert(preemptions > 20, `${preemptions} preemptions: the cases are too easy`);
});

Deno.test("Scheduler brings every sequence to its end, however small the cache", () => {
  for (let seed = 100; seed < 140; seed++) {
    const world = worldOf(seed);
    for (let id = 0; id < 12; id++) {
      const sequence = randomSequence(world.random, id);
      if (world.scheduler.add(sequence) === null) world.live.add(sequence);
    }
    for (let turn = 0; world.live.size > 0; turn++) {
      assert(turn < 2000, `seed ${seed}: ${world.live.size} sequences never end`);
      for (const sequence of [...world.live]) {
        if (sequence.job.kind === "decode") importSome(world, sequence);
      }
      step(world);
    }
    assertEquals(world.scheduler.load.usedBlocks, 0);
  }
});

Deno.test("Scheduler always advances the oldest sequence that computes", () => {
  for (let seed = 200; seed < 230; seed++) {
    const world = worldOf(seed);
    let nextId = 0;
    for (let turn = 0; turn < 100; turn++) {
      // An unending stream of newcomers.
      const sequence = randomSequence(world.random, nextId++);
      if (world.scheduler.add(sequence) === null) world.live.add(sequence);
      for (const each of [...world.live]) if (each.job.kind === "decode") importSome(world, each);
      const oldest = [...world.live].toSorted((a, b) => a.arrival - b.arrival)[0];
      const batch = step(world);
      if (oldest === undefined || oldest.phase === "importing") continue;
      assert(batch.slices.some((slice) => slice.sequence === oldest), `seed ${seed}, turn ${turn}`);
    }
  }
});
