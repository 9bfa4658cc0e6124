/**
 * Notices a step that does not end: a device or driver that hangs blocks the engine thread, which can
 * then tell nobody. The worker is unhealthy for as long as that lasts.
 */

import { epochMs } from "../clock/epoch_clock.ts";
import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../telemetry/telemetry.ts";

/** Looks this often within the limit. */
const LOOKS = 4;

export interface StepWatchdogOptions {
  /** Longest time that a step may take; 0 for any. */
  readonly limitMs: number;
  readonly log: Logger;
}

export class StepWatchdog implements Disposable {
  readonly #engine: Pick<Engine, "stepStartedAtMs">;
  readonly #options: StepWatchdogOptions;
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  /** Start of the step that was told of; null after it ended. */
  #toldMs: number | null = null;

  constructor(engine: Pick<Engine, "stepStartedAtMs">, options: StepWatchdogOptions) {
    this.#engine = engine;
    this.#options = options;
    if (options.limitMs === 0) return;
    this.#timer = setInterval(() => this.look(epochMs()), options.limitMs / LOOKS);
    Deno.unrefTimer(this.#timer);
  }

  /** How long the step in progress has run; 0 between steps. */
  runningMs(nowMs: number): number {
    const startMs = this.#engine.stepStartedAtMs;
    return startMs === null ? 0 : Math.max(0, nowMs - startMs);
  }

  /** Whether the step in progress has run for longer than it may. */
  isOverdue(nowMs: number): boolean {
    const { limitMs } = this.#options;
    return limitMs > 0 && this.runningMs(nowMs) > limitMs;
  }

  /** Tells the log of a step that is overdue, once, and of its end. */
  look(nowMs: number): void {
    const { limitMs, log } = this.#options;
    const startMs = this.#engine.stepStartedAtMs;
    if (this.#toldMs !== null && startMs !== this.#toldMs) {
      log.warn("the overdue engine step has ended", { limit_ms: limitMs });
      this.#toldMs = null;
    }
    if (this.#toldMs !== null || !this.isOverdue(nowMs)) return;
    this.#toldMs = startMs;
    log.error("an engine step does not end: the worker is unhealthy until it does", {
      step_ms: Math.round(this.runningMs(nowMs)),
      limit_ms: limitMs,
      variable: "DYN_STEP_TIMEOUT_MS",
    });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
