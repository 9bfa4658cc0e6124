/** Collects what a client that sends `x-baton-timings: 1` is told: each token's time, step and worker. */

import { toWholeUs } from "../../shared/clock/whole_us.ts";
import type { Timings } from "../../shared/openai/mod.ts";
import type { AttemptPlan, FrameArrival } from "./attempt.ts";
import type { Stage, StageTimes } from "./stage_times.ts";

type Worker = Timings["workers"][number];

export interface TimingsFacts {
  readonly traceId: string;
  readonly receivedAtMs: number;
  readonly stages: StageTimes;
  /** Tokens of the answer: what came after a stop string is none of it. */
  readonly completionTokens: number;
  /** Null when an error ended the answer. */
  readonly finishReason: Timings["finish_reason"];
  readonly nowMs: number;
}

export class TokenTimings {
  readonly #workers: Worker[] = [];
  readonly #atMs: number[] = [];
  readonly #steps: number[] = [];
  readonly #workerOf: number[] = [];
  #attempts = 0;
  #completedTokens = 0;
  #places = { prefill: 0, decode: 0 };

  /** The frames that follow are of this attempt. */
  attempted({ prefill, decode }: AttemptPlan): void {
    this.#attempts++;
    this.#completedTokens = decode.completedTokens;
    // What the attempt before sent and nobody got, since a token before it was missing, comes again.
    for (const list of [this.#atMs, this.#steps, this.#workerOf]) {
      list.length = Math.min(list.length, this.#completedTokens);
    }
    const place = ({ instance, request: { phase, attempt } }: AttemptPlan["decode"]) =>
      this.#workers.push({ instance_id: instance.instanceId, phase, attempt }) - 1;
    const prefillPlace = prefill === undefined ? -1 : place(prefill);
    this.#places = { prefill: prefillPlace, decode: place(decode) };
  }

  frame({ source, frame, atMs }: FrameArrival): void {
    if (frame.kind !== "tokens") return;
    const first = this.#completedTokens + frame.index;
    for (let index = first; index < first + frame.ids.length; index++) {
      // What arrives twice is dropped.
      this.#atMs[index] ??= atMs;
      this.#steps[index] ??= frame.step;
      this.#workerOf[index] ??= this.#places[source];
    }
  }

  timings(facts: TimingsFacts): Timings {
    const { stages, receivedAtMs, completionTokens } = facts;
    const atMs = inOrder(this.#atMs.slice(0, completionTokens));
    const stageMs = (stage: Stage) => {
      const ms = stages.get(stage);
      return ms === undefined ? null : toWholeUs(ms);
    };
    return {
      trace_id: facts.traceId,
      finish_reason: facts.finishReason,
      attempts: this.#attempts,
      workers: this.#workers,
      preprocess_ms: stageMs("preprocess"),
      route_ms: stageMs("route"),
      dispatch_ms: stageMs("dispatch"),
      queue_ms: stageMs("queue"),
      prefill_ms: stageMs("prefill"),
      kv_transfer_ms: stageMs("kv_transfer"),
      decode_ms: stageMs("decode"),
      ttft_ms: stageMs("ttft"),
      total_ms: toWholeUs(facts.nowMs - receivedAtMs),
      itl_ms: gapPercentiles(atMs),
      token_offsets_ms: atMs.map((ms) => toWholeUs(ms - receivedAtMs)),
      token_steps: this.#steps.slice(0, completionTokens),
      token_workers: this.#workerOf.slice(0, completionTokens),
    };
  }
}

/** A token is of no use before those before it: two workers' streams race. */
function inOrder(atMs: readonly number[]): number[] {
  let latestMs = 0;
  return atMs.map((ms) => latestMs = Math.max(latestMs, ms));
}

/** Nearest-rank percentiles of the gaps; tokens of one time share the time since the one before. */
function gapPercentiles(atMs: readonly number[]): Timings["itl_ms"] {
  if (atMs.length < 2) return null;
  const gaps = sharedGaps(atMs).sort((a, b) => a - b);
  const rank = (share: number) => toWholeUs(gaps[Math.ceil(share * gaps.length) - 1] ?? 0);
  return { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99), max: rank(1) };
}

function sharedGaps(atMs: readonly number[]): number[] {
  const gaps: number[] = [];
  let beforeMs = atMs[0] ?? 0;
  for (let from = 1, to = 1; from < atMs.length; from = to) {
    const ms = atMs[from] ?? beforeMs;
    while (to < atMs.length && atMs[to] === ms) to++;
    for (let i = from; i < to; i++) gaps.push((ms - beforeMs) / (to - from));
    beforeMs = ms;
  }
  return gaps;
}
