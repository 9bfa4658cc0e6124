/**
 * Notices a step that does not end: a device or driver that hangs blocks the engine thread, which can
 * then tell nobody. The worker is unhealthy for as long as that lasts. A step that lasts for several
 * times its limit ends the engine, and the worker with it: what hangs for that long does not come back,
 * and whoever runs the worker starts it again.
 *
 * Time is counted in looks, as `shared/bus/ticker.ts` counts silence: of a process that was paused, by its
 * host or a debugger, no step is overdue when it wakes.
 */

import { epochMs } from "../clock/epoch_clock.ts";
import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../telemetry/telemetry.ts";

/** Looks this often within the limit. */
const LOOKS = 4;
/** Times the limit after which nobody waits for the step any more. */
const HOPELESS_LIMITS = 5;

export interface StepWatchdogOptions {
  /** Longest time that a step may take; 0 for any. */
  readonly limitMs: number;
  readonly log: Logger;
}

type WatchedEngine = Pick<Engine, "stepStartedAtMs" | "end">;

export class StepWatchdog implements Disposable {
  readonly #engine: WatchedEngine;
  readonly #options: StepWatchdogOptions;
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  /** Start of the step that the last look saw. */
  #seenMs: number | null = null;
  /** Looks that saw it. */
  #looks = 0;

  constructor(engine: WatchedEngine, options: StepWatchdogOptions) {
    this.#engine = engine;
    this.#options = options;
    if (options.limitMs === 0) return;
    this.#timer = setInterval(() => this.look(), options.limitMs / LOOKS);
    Deno.unrefTimer(this.#timer);
  }

  /** How long the step in progress has run; 0 between steps. */
  runningMs(nowMs: number): number {
    const startMs = this.#engine.stepStartedAtMs;
    return startMs === null ? 0 : Math.max(0, nowMs - startMs);
  }

  /** Whether the step in progress has run for longer than it may. */
  get isOverdue(): boolean {
    return this.#looks > LOOKS && this.#engine.stepStartedAtMs === this.#seenMs;
  }

  /** Tells the log of a step that is overdue, once, and of its end; ends the engine of a hopeless one. */
  look(): void {
    const { limitMs, log } = this.#options;
    const startMs = this.#engine.stepStartedAtMs;
    if (startMs !== this.#seenMs) {
      if (this.#looks > LOOKS) {
        log.warn("the overdue engine step has ended", { limit_ms: limitMs });
      }
      this.#seenMs = startMs;
      this.#looks = 0;
    }
    if (startMs === null) return;
    this.#looks++;
    if (this.#looks === LOOKS * HOPELESS_LIMITS + 1) this.#giveUp();
    if (this.#looks !== LOOKS + 1) return;
    log.error("an engine step does not end: the worker is unhealthy until it does", {
      step_ms: Math.round(this.runningMs(epochMs())),
      limit_ms: limitMs,
      variable: "DYN_STEP_TIMEOUT_MS",
    });
  }

  #giveUp(): void {
    this.#looks = 0;
    const seconds = (this.#options.limitMs * HOPELESS_LIMITS) / 1000;
    this.#engine.end(
      new Error(
        `Cannot go on: an engine step has not ended in ${seconds} s. Its device or driver hangs: start ` +
          "the worker again. Where steps are honestly that long, raise DYN_STEP_TIMEOUT_MS",
      ),
    );
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
