/** Collects what a client that sends `x-baton-timings: 1` is told: each token's time, step and worker. */

import { toWholeUs } from "../../shared/clock/whole_us.ts";
import type { Timings, TokenTiming } from "../../shared/openai/mod.ts";
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

interface ArrivedToken {
  readonly atMs: number;
  readonly step: number;
  readonly worker: Worker;
}

export class TokenTimings {
  readonly #workers: Worker[] = [];
  /** By place in the answer: has holes while two workers' streams race. */
  readonly #tokens: ArrivedToken[] = [];
  #sources: { readonly [source in FrameArrival["source"]]?: Worker } = {};
  #attempts = 0;
  #completedTokens = 0;
  #toldTokens = 0;
  #toldAtMs = 0;

  /** The frames that follow are of this attempt. */
  attempted({ prefill, decode }: AttemptPlan): void {
    this.#attempts++;
    this.#completedTokens = decode.completedTokens;
    // What the attempt before sent and nobody got, since a token before it was missing, comes again.
    this.#tokens.length = Math.min(this.#tokens.length, this.#completedTokens);
    const asked = ({ instance, request: { phase, attempt } }: AttemptPlan["decode"]): Worker => {
      const worker = { instance_id: instance.instanceId, phase, attempt };
      this.#workers.push(worker);
      return worker;
    };
    this.#sources = prefill === undefined
      ? { decode: asked(decode) }
      : { prefill: asked(prefill), decode: asked(decode) };
  }

  frame({ source, frame, atMs }: FrameArrival): void {
    const worker = this.#sources[source];
    if (frame.kind !== "tokens" || worker === undefined) return;
    const first = this.#completedTokens + frame.index;
    for (let index = first; index < first + frame.ids.length; index++) {
      // What arrives twice is dropped.
      this.#tokens[index] ??= { atMs, step: frame.step, worker };
    }
  }

  /** The next `count` tokens of the answer: they and those before them have arrived. */
  next(count: number, receivedAtMs: number): TokenTiming[] {
    const tokens = this.#tokens.slice(this.#toldTokens, this.#toldTokens + count);
    this.#toldTokens += count;
    return tokens.map(({ atMs, step, worker: { instance_id, phase } }) => {
      this.#toldAtMs = Math.max(this.#toldAtMs, atMs);
      return { offset_ms: toWholeUs(this.#toldAtMs - receivedAtMs), step, instance_id, phase };
    });
  }

  timings(facts: TimingsFacts): Timings {
    const { stages, receivedAtMs, completionTokens } = facts;
    const tokens = this.#tokens.slice(0, completionTokens);
    const atMs = inOrder(tokens.map((token) => token.atMs));
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
      token_steps: tokens.map(({ step }) => step),
      token_workers: tokens.map(({ worker }) => this.#workers.indexOf(worker)),
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
