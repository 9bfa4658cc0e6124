/**
 * How long the stages of a request took, as `Server-Timing` and spans tell.
 *
 * Each is the difference of two times of one clock, so clocks of different hosts never mix: of this
 * process's while frames arrive, then of the worker's own, which its `end` frame brings.
 */

import type { PhaseTimings } from "../../shared/messages/mod.ts";
import type { MeteredStage } from "../../shared/telemetry/metrics/mod.ts";
import type { FrameArrival } from "./attempt.ts";

/** In the order in which a request goes through them. */
const STAGES = [
  "preprocess",
  "route",
  "dispatch",
  "queue",
  "prefill",
  "ttft",
  "kv_transfer",
  "decode",
  "total",
] as const;

export type Stage = (typeof STAGES)[number];

export class StageTimes {
  readonly #ms = new Map<Stage, number>();
  #sentAtMs = 0;
  #acceptedAtMs = 0;
  #scheduledAtMs = 0;
  #firstTokenAtMs: number | null = null;
  #lastTokenAtMs = 0;

  get(stage: Stage): number | undefined {
    return this.#ms.get(stage);
  }

  /** The stages that metrics know, without the sums. */
  metered(): ReadonlyMap<MeteredStage, number> {
    const stages = new Map<MeteredStage, number>();
    for (const [stage, ms] of this.#ms) {
      if (stage !== "ttft" && stage !== "total") stages.set(stage, ms);
    }
    return stages;
  }

  set(stage: Stage, durationMs: number): void {
    this.#ms.set(stage, Math.max(durationMs, 0));
  }

  /** The next stages are those of an attempt that begins now. */
  attempted(atMs: number): void {
    this.#sentAtMs = atMs;
  }

  /** Takes a frame; `hasPrompt` where it is of the worker that computes the prompt. */
  frame({ source, frame, atMs }: FrameArrival, hasPrompt: boolean): void {
    switch (frame.kind) {
      case "accepted":
        if (!hasPrompt) return;
        this.#acceptedAtMs = atMs;
        return this.set("dispatch", atMs - this.#sentAtMs);
      case "scheduled":
        if (!hasPrompt) return;
        this.#scheduledAtMs = atMs;
        return this.set("queue", atMs - this.#acceptedAtMs);
      case "tokens":
        if (hasPrompt && frame.index === 0) this.set("prefill", atMs - this.#scheduledAtMs);
        this.#firstTokenAtMs ??= atMs;
        this.#lastTokenAtMs = atMs;
        return;
      case "end":
        if (hasPrompt) this.#setPrompt(frame.timings);
        return this.#setEnd(source, frame.timings);
    }
  }

  /** No token is to come: what no worker told is what the tokens' arrival tells. */
  tokensEnded(): void {
    if (this.#firstTokenAtMs === null || this.#ms.has("decode")) return;
    this.set("decode", this.#lastTokenAtMs - this.#firstTokenAtMs);
  }

  /** The header's value: `preprocess;dur=0.8, route;dur=0.1, …`, milliseconds. */
  serverTiming(): string {
    return STAGES.flatMap((stage) => {
      const ms = this.#ms.get(stage);
      return ms === undefined ? [] : `${stage};dur=${ms.toFixed(2)}`;
    }).join(", ");
  }

  #setPrompt({ receivedAtMs, scheduledAtMs, firstTokenAtMs }: PhaseTimings): void {
    if (scheduledAtMs === undefined) return;
    this.set("queue", scheduledAtMs - receivedAtMs);
    if (firstTokenAtMs !== undefined) this.set("prefill", firstTokenAtMs - scheduledAtMs);
  }

  #setEnd(
    source: FrameArrival["source"],
    { kvTransferMs, firstTokenAtMs, endAtMs }: PhaseTimings,
  ): void {
    if (kvTransferMs !== undefined) this.set("kv_transfer", kvTransferMs);
    if (source !== "decode" || firstTokenAtMs === undefined) return;
    this.set("decode", endAtMs - firstTokenAtMs);
  }
}
