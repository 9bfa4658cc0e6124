/** Causes of late tokens from the engine's own reports: the step loop on a fake device and a fake clock. */

import { assert, assertAlmostEquals, assertEquals } from "@std/assert/mod.js";
import type { EngineSequence, SequenceJob } from "../engine/engine.ts";
import { type FakeEngineOptions, startFakeEngine } from "../engine_thread/testing/fake_engine.ts";
import { jobOf, nextEvent } from "../engine_thread/testing/run_sequence.ts";
import type { ThreadEngine } from "../engine_thread/thread_engine.ts";
import type { ActiveSpan } from "../telemetry/telemetry.ts";
import { StepHistory } from "./step_history.ts";
import { type LateToken, TokenGaps } from "./token_gaps.ts";

const STEP_MS = 10;
const ROW_MS = 2;

/** An engine whose time passes only where the test says so. */
class Bench implements AsyncDisposable {
  readonly history = new StepHistory();
  nowMs = 1_000;
  copyMs = 0;
  /** Added to the next step, and to the next turn between steps. */
  stepExtraMs = 0;
  turnExtraMs = 0;
  readonly #engine: ThreadEngine;

  constructor(options: FakeEngineOptions = {}) {
    this.#engine = startFakeEngine({
      ...options,
      now: () => this.nowMs,
      onStep: async (slices) => {
        // Both sides share a thread here: what the steps before made gets to the other one.
        await new Promise((turn) => setTimeout(turn, 0));
        const rows = slices.reduce((sum, { tokens }) => sum + tokens.length, 0);
        this.nowMs += STEP_MS + ROW_MS * rows + this.stepExtraMs;
        this.stepExtraMs = 0;
      },
      onCopy: () => this.nowMs += this.copyMs,
      onTurn: () => {
        this.nowMs += this.turnExtraMs;
        this.turnExtraMs = 0;
      },
      onReport: (report) => this.history.add(report),
    });
  }

  submit(job: SequenceJob): EngineSequence {
    const span = { traceId: `trace-${job.sequenceId}`, spanId: job.sequenceId };
    this.history.join(job.sequenceId, {
      requestId: `request-${job.sequenceId}`,
      span: span as ActiveSpan<"handle_payload">,
    });
    return this.#engine.submit(job);
  }

  /** Runs a sequence of 30 tokens and does something after its sixth; returns what came late. */
  async late(atSixth: () => unknown, promptTokens = 4): Promise<LateToken[]> {
    const gaps = new TokenGaps(this.history);
    for await (const event of this.submit(job("a", promptTokens, { maxTokens: 30 }))) {
      if (event.type === "preempted") gaps.preempted(this.history.requestOf(event.bySequenceId));
      if (event.type !== "token") continue;
      gaps.token(event);
      if (event.index === 5) atSixth();
    }
    return gaps.lateTokens();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine[Symbol.asyncDispose]();
  }
}

function job(sequenceId: string, promptTokens: number, part: Partial<SequenceJob> = {}) {
  const prompt = Array.from({ length: promptTokens }, (_, i) => sequenceId.charCodeAt(0) + i);
  return jobOf(prompt, { sequenceId, ...part });
}

function causesOf(late: readonly LateToken[]): (string | undefined)[][] {
  return late.map(({ cause, other }) => [cause, other?.requestId]);
}

Deno.test("a prompt that shares a step with an answer is why its token is late", async () => {
  await using bench = new Bench();
  const late = await bench.late(() => bench.submit(job("b", 50, { maxTokens: 1 })));
  assertEquals(causesOf(late), [["prefill", "request-b"]]);
  assertEquals(late[0]?.otherTokens, 50);
  assertAlmostEquals(late[0]?.causeMs ?? 0, 50 * ROW_MS);
});

Deno.test("answers that join the batch are why a token is late", async () => {
  await using bench = new Bench({ maxSlices: 8 });
  const late = await bench.late(() => {
    // Prompts of one token: what they add is rows of answers, for a few steps.
    for (const id of ["b", "c", "d", "e", "f"]) bench.submit(job(id, 1, { maxTokens: 4 }));
  });
  assert(late.some(({ cause }) => cause === "batch_growth"), `${causesOf(late)}`);
});

Deno.test("KV that is read for another request between steps is why a token is late", async () => {
  await using bench = new Bench();
  bench.copyMs = 300;
  const late = await bench.late(() => bench.submit(job("b", 16, { kind: "prefill" })));
  assertEquals(causesOf(late).at(-1), ["kv_export", "request-b"]);
  assertAlmostEquals(late.at(-1)?.causeMs ?? 0, 300);
});

Deno.test("KV that is written for another request between steps is why a token is late", async () => {
  await using source = new Bench();
  const prefill = source.submit(job("b", 16, { kind: "prefill" }))[Symbol.asyncIterator]();
  const { data } = await nextEvent(prefill, "kv");
  await using bench = new Bench();
  bench.copyMs = 300;
  const late = await bench.late(async () => {
    const decode = bench.submit(job("b", 16, { kind: "decode" }));
    await nextEvent(decode[Symbol.asyncIterator](), "scheduled");
    decode.importKv(0, data);
  });
  assertEquals(causesOf(late), [["kv_import", "request-b"]]);
});

Deno.test("blocks that an older request takes are why a token is late", async () => {
  await using bench = new Bench({ totalBlocks: 4 });
  const older = bench.submit(job("b", 20, { maxTokens: 20 }));
  await nextEvent(older[Symbol.asyncIterator](), "token");
  const late = await bench.late(() => {}, 14);
  assertEquals(causesOf(late), [["preempted", "request-b"]]);
});

Deno.test("a step that is slow for no reason that shows is why a token is late", async () => {
  await using bench = new Bench();
  const late = await bench.late(() => bench.stepExtraMs = 100);
  assertEquals(causesOf(late), [["engine", undefined]]);
  assertAlmostEquals(late[0]?.causeMs ?? 0, 100);
});

Deno.test("a step that is slower than its device is why a token is late", async () => {
  await using bench = new Bench({ deviceTimeNs: 9e6 });
  const late = await bench.late(() => bench.stepExtraMs = 100);
  assertEquals(causesOf(late), [["readback", undefined]]);
});

Deno.test("time between steps in which nothing is done is why a token is late", async () => {
  await using bench = new Bench();
  const late = await bench.late(() => bench.turnExtraMs = 100);
  assertEquals(causesOf(late), [["stall", undefined]]);
  assertAlmostEquals(late[0]?.causeMs ?? 0, 100);
});
