import { assertEquals } from "@std/assert/mod.js";
import type { AttemptPlan, FrameArrival } from "./attempt.ts";
import { StageTimes } from "./stage_times.ts";
import { TokenTimings } from "./token_timings.ts";

const FACTS = {
  traceId: "t",
  receivedAtMs: 100,
  stages: new StageTimes(),
  finishReason: "stop",
  nowMs: 200,
} as const;

function attempt(
  timings: TokenTimings,
  { number = 1, id = "d1", completedTokens = 0, prefillId = "" } = {},
): void {
  const request = { phase: "decode", attempt: number };
  timings.attempted({
    ...(prefillId !== "" && {
      prefill: { instance: { instanceId: prefillId }, request: { ...request, phase: "prefill" } },
    }),
    decode: { completedTokens, instance: { instanceId: id }, request },
  } as unknown as AttemptPlan);
}

function tokens(index: number, ids: number[], atMs: number, step = index): FrameArrival {
  return { source: "decode", frame: { kind: "tokens", index, ids, step }, atMs };
}

Deno.test("TokenTimings.timings() shares the time of tokens that came together in its percentiles", () => {
  const timings = new TokenTimings();
  attempt(timings);
  timings.frame(tokens(0, [1], 110));
  timings.frame(tokens(1, [1], 120));
  timings.frame(tokens(2, [1, 1], 160));
  const { itl_ms, token_offsets_ms } = timings.timings({ ...FACTS, completionTokens: 4 });
  assertEquals(token_offsets_ms, [10, 20, 60, 60]);
  assertEquals(itl_ms, { p50: 20, p95: 20, p99: 20, max: 20 });
});

Deno.test("TokenTimings.timings() leaves out what came after the text's end, and stages not reached", () => {
  const timings = new TokenTimings();
  attempt(timings);
  timings.frame(tokens(0, [1, 1, 1], 110));
  const { token_offsets_ms, token_steps, itl_ms, ttft_ms, total_ms } = timings.timings({
    ...FACTS,
    completionTokens: 1,
  });
  assertEquals([token_offsets_ms, token_steps], [[10], [0]]);
  assertEquals([itl_ms, ttft_ms, total_ms], [null, null, 100]);
});

Deno.test("TokenTimings puts tokens in their places, whatever their order, and drops repetitions", () => {
  const timings = new TokenTimings();
  attempt(timings, { prefillId: "p1" });
  timings.frame(tokens(1, [1], 130, 9));
  timings.frame({ ...tokens(0, [1], 140, 5), source: "prefill" });
  timings.frame(tokens(0, [1, 1], 150, 10));
  const { token_offsets_ms, token_steps } = timings.timings({ ...FACTS, completionTokens: 2 });
  assertEquals([token_offsets_ms, token_steps], [[40, 40], [5, 9]]);
});

Deno.test("TokenTimings forgets what a failed attempt sent ahead of a token that never came", () => {
  const timings = new TokenTimings();
  attempt(timings, { prefillId: "p1" });
  timings.frame(tokens(1, [1], 110, 3));
  attempt(timings, { number: 2, id: "d2" });
  timings.frame(tokens(0, [1, 1], 150, 70));
  const { token_offsets_ms, token_steps, token_workers } = timings.timings({
    ...FACTS,
    completionTokens: 2,
  });
  assertEquals([token_offsets_ms, token_steps, token_workers], [[50, 50], [70, 70], [2, 2]]);
});

Deno.test("TokenTimings goes on where a failed attempt left off", () => {
  const timings = new TokenTimings();
  attempt(timings);
  timings.frame(tokens(0, [1, 1], 110, 3));
  attempt(timings, { number: 2, id: "d2", completedTokens: 2 });
  timings.frame(tokens(0, [1], 150, 70));
  const whole = timings.timings({ ...FACTS, completionTokens: 3 });
  assertEquals([whole.attempts, whole.workers.map(({ instance_id }) => instance_id)], [2, [
    "d1",
    "d2",
  ]]);
  assertEquals([whole.token_workers, whole.token_steps], [[0, 0, 1], [3, 3, 70]]);
});

Deno.test("TokenTimings.next() tells each token once, in order, also over attempts", () => {
  const timings = new TokenTimings();
  attempt(timings, { prefillId: "p1" });
  timings.frame(tokens(1, [1], 130, 9));
  timings.frame({ ...tokens(0, [1], 140, 5), source: "prefill" });
  assertEquals(timings.next(2, 100), [
    { offset_ms: 40, step: 5, instance_id: "p1", phase: "prefill" },
    { offset_ms: 40, step: 9, instance_id: "d1", phase: "decode" },
  ]);
  attempt(timings, { number: 2, id: "d2", completedTokens: 2 });
  timings.frame(tokens(0, [1], 150, 70));
  assertEquals(timings.next(1, 100), [
    { offset_ms: 50, step: 70, instance_id: "d2", phase: "decode" },
  ]);
});
