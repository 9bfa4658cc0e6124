import { assert, assertAlmostEquals, assertEquals } from "@std/assert/mod.js";
import type { KvCopy, StepMember } from "../engine/engine.ts";
import type { ActiveSpan } from "../telemetry/telemetry.ts";
import { StepHistory } from "./step_history.ts";
import { type LateToken, TokenGaps } from "./token_gaps.ts";

const STEP_MS = 10;
const IDLE_MS = 0.5;

interface StepPart {
  readonly stepMs?: number;
  readonly deviceMs?: number;
  /** Before the step. */
  readonly idleMs?: number;
  /** Rows of answers beside the sequence's own. */
  readonly otherRows?: number;
  readonly prompts?: Readonly<Record<string, number>>;
  readonly kvCopies?: readonly KvCopy[];
  /** After the step, before the token is handled. */
  readonly lateMs?: number;
}

/** Steps of an engine on a clock of its own, and the gaps of one sequence that is in all of them. */
class Timeline {
  readonly history = new StepHistory();
  readonly gaps = new TokenGaps(this.history);
  nowMs = 1_000;
  #step = 0;

  constructor() {
    for (const id of ["b", "c"]) {
      const span = { traceId: `trace-${id}`, spanId: `span-${id}` };
      this.history.join(id, {
        requestId: `request-${id}`,
        span: span as ActiveSpan<"handle_payload">,
      });
    }
  }

  step(part: StepPart = {}): void {
    const { stepMs = STEP_MS, idleMs = IDLE_MS, otherRows = 0, prompts = {}, lateMs = 0 } = part;
    const copiedMs = part.kvCopies?.reduce((sum, { durationMs }) => sum + durationMs, 0) ?? 0;
    const startMs = this.nowMs + idleMs + copiedMs;
    const endMs = startMs + stepMs;
    const prefills = Object.entries(prompts).map(([sequenceId, rows]): StepMember => ({
      sequenceId,
      rows,
      isDecode: false,
    }));
    this.history.add({
      step: this.#step,
      startMs,
      endMs,
      deviceMs: part.deviceMs,
      prefillRows: prefills.reduce((sum, { rows }) => sum + rows, 0),
      decodeRows: 1 + otherRows,
      members: prefills,
      kvCopies: part.kvCopies ?? [],
    });
    this.nowMs = endMs + lateMs;
    this.gaps.token({ index: this.#step, step: this.#step, atMs: this.nowMs });
    this.#step++;
  }

  usual(count: number, part: StepPart = {}): void {
    for (let i = 0; i < count; i++) this.step(part);
  }

  /** The one late token. */
  late(): LateToken {
    const late = this.gaps.lateTokens();
    assertEquals(late.length, 1);
    return late[0]!;
  }
}

Deno.test("TokenGaps tells nothing of gaps that are all alike, or of one gap", () => {
  const timeline = new Timeline();
  assertEquals(timeline.gaps.statistics(), null);
  assertEquals(timeline.gaps.lateTokens(), []);
  timeline.usual(10);
  timeline.step({ stepMs: 1.3 * STEP_MS });
  assertEquals(timeline.gaps.lateTokens(), []);
  assertAlmostEquals(timeline.gaps.statistics()?.p50Ms ?? 0, STEP_MS + IDLE_MS);
});

Deno.test("TokenGaps: a prompt chunk in the step is the cause, with its request", () => {
  const timeline = new Timeline();
  timeline.usual(4);
  timeline.step({ stepMs: 60, prompts: { c: 20, b: 200 } });
  timeline.usual(4);
  const late = timeline.late();
  assertEquals([late.cause, late.index, late.step], ["prefill", 4, 4]);
  assertAlmostEquals(late.gapMs, 60.5);
  assertAlmostEquals(late.causeMs, 50);
  assertEquals([late.other?.requestId, late.otherTokens], ["request-b", 200]);
});

Deno.test("TokenGaps: a step that is slow with no more prompt rows than usual is the engine's", () => {
  const timeline = new Timeline();
  timeline.usual(6, { prompts: { b: 20 } });
  timeline.step({ stepMs: 50, prompts: { b: 20 } });
  assertEquals([timeline.late().cause, timeline.late().other], ["engine", null]);
  assertAlmostEquals(timeline.late().causeMs, 40);
});

Deno.test("TokenGaps: no cause counts for more than the gap has beyond the median", () => {
  const timeline = new Timeline();
  timeline.usual(6);
  // The step is under way already when the token before it is handled.
  timeline.step({ lateMs: 4 });
  timeline.nowMs -= 4;
  timeline.step({ stepMs: 60, prompts: { b: 200 } });
  const late = timeline.late();
  assertEquals(late.cause, "prefill");
  assertAlmostEquals(late.gapMs, 56.5);
  assertAlmostEquals(late.causeMs, 46);
});

Deno.test("TokenGaps: more answers in the step than usual are batch growth, up to twice their proportion", () => {
  const timeline = new Timeline();
  timeline.usual(6);
  timeline.step({ stepMs: 25, otherRows: 3 });
  assertEquals([timeline.late().cause, timeline.late().other], ["batch_growth", null]);

  const slow = new Timeline();
  slow.usual(6);
  slow.step({ stepMs: 300, otherRows: 1 });
  assertEquals(slow.late().cause, "engine");
  assertAlmostEquals(slow.late().causeMs, 270);
});

Deno.test("TokenGaps: reading and writing KV of others between the steps is told with their request", () => {
  for (const direction of ["export", "import"] as const) {
    const timeline = new Timeline();
    timeline.usual(6);
    timeline.step({ kvCopies: [{ sequenceId: "b", direction, durationMs: 40 }] });
    const late = timeline.late();
    assertEquals([late.cause, late.other?.requestId], [`kv_${direction}`, "request-b"]);
    assertAlmostEquals(late.causeMs, 40);
    assertEquals(late.otherTokens, 0);
  }
});

Deno.test("TokenGaps: time in which nothing ran is a stall, before a step and after it", () => {
  for (const part of [{ idleMs: 50 }, { lateMs: 50 }]) {
    const timeline = new Timeline();
    timeline.usual(6, { deviceMs: STEP_MS });
    timeline.step({ deviceMs: STEP_MS, ...part });
    const late = timeline.late();
    assertEquals(late.cause, "stall", JSON.stringify(part));
    assertAlmostEquals(late.causeMs, "idleMs" in part ? 49.5 : 50);
  }
});

Deno.test("TokenGaps: a step that took longer than its device did is readback, whatever was in it", () => {
  const timeline = new Timeline();
  timeline.usual(6, { deviceMs: STEP_MS - 1 });
  timeline.step({ stepMs: 60, deviceMs: STEP_MS + 2, prompts: { b: 4 } });
  const late = timeline.late();
  assertEquals([late.cause, late.other], ["readback", null]);
  assertAlmostEquals(late.causeMs, 47);
});

Deno.test("TokenGaps: a step that is slow for no visible reason is the engine's", () => {
  const timeline = new Timeline();
  timeline.usual(6, { otherRows: 2 });
  timeline.step({ stepMs: 50, otherRows: 2 });
  assertEquals(timeline.late().cause, "engine");
  assertAlmostEquals(timeline.late().causeMs, 40);
});

Deno.test("TokenGaps: lost blocks are the cause of the gap that they fall in", () => {
  const timeline = new Timeline();
  timeline.usual(6);
  timeline.gaps.preempted(timeline.history.requestOf("c"));
  timeline.nowMs += 100;
  timeline.step({ prompts: { b: 50 } });
  timeline.usual(2);
  assertEquals([timeline.late().cause, timeline.late().other?.requestId], [
    "preempted",
    "request-c",
  ]);
  assertAlmostEquals(timeline.late().causeMs, 100);
});

Deno.test("TokenGaps: the wait for KV is the first gap after a hand-over, and in no statistics", () => {
  const timeline = new Timeline();
  timeline.gaps.handedOver(timeline.nowMs, 30);
  // A step of others is under way; the sequence's own KV is written after it.
  const kvCopies = [{ sequenceId: "b", direction: "import", durationMs: 60 }] as const;
  timeline.step({ idleMs: 20, kvCopies });
  timeline.usual(6);
  const late = timeline.late();
  assertEquals([late.cause, late.index, late.other], ["kv_wait", 0, null]);
  assertAlmostEquals(late.causeMs, 109.5);
  assertAlmostEquals(late.gapMs, 120);
  assertAlmostEquals(timeline.gaps.statistics()?.maxMs ?? 0, 10.5);
});

Deno.test("TokenGaps tells the eight longest, in the order of the tokens", () => {
  const timeline = new Timeline();
  const extras = [5, 40, 10, 90, 20, 30, 70, 60, 80, 50, 45, 3];
  for (const extra of extras) {
    timeline.usual(3);
    timeline.step({ stepMs: STEP_MS + extra });
  }
  const told = timeline.gaps.lateTokens();
  assertEquals(
    told.map(({ gapMs }) => Math.round(gapMs - STEP_MS - IDLE_MS)),
    [40, 90, 30, 70, 60, 80, 50, 45],
  );
  assert(told.every(({ index }, i) => i === 0 || index > told[i - 1]!.index));
});

Deno.test("TokenGaps: a token whose step is forgotten came late for this thread's sake", () => {
  const timeline = new Timeline();
  timeline.usual(6);
  timeline.gaps.token({ index: 6, step: 999, atMs: timeline.nowMs + 200 });
  assertEquals(timeline.late().cause, "stall");
});

Deno.test("TokenGaps: a preemption is the cause of the one gap that it made", () => {
  const timeline = new Timeline();
  timeline.usual(10);
  timeline.gaps.preempted(timeline.history.requestOf("b"));
  timeline.step({ idleMs: 100 });
  timeline.usual(3);
  timeline.step({ idleMs: 90 });
  assertEquals(
    timeline.gaps.lateTokens().map(({ index, cause }) => [index, cause]),
    [[10, "preempted"], [14, "stall"]],
  );
});

Deno.test("TokenGaps calls no token late for less than a millisecond, however short the usual gap", () => {
  const timeline = new Timeline();
  const fast = { stepMs: 0.4, idleMs: 0.1 };
  timeline.usual(10, fast);
  timeline.step({ ...fast, stepMs: 1.3 });
  assertEquals(timeline.gaps.lateTokens(), []);
  timeline.step({ ...fast, stepMs: 1.6 });
  assertEquals(timeline.late().index, 11);
});
