/**
 * The gaps between the tokens of one sequence, of which the worst are told with their causes.
 *
 * A gap is told of when it is longer than LATE_FACTOR times the sequence's median gap and by more than
 * MIN_EXCESS_MS; of these at most MAX_TOLD, the longest.
 */

import {
  explainGap,
  type Gap,
  type GapExplanation,
  gapParts,
  type UsualGap,
} from "./gap_causes.ts";
import { type GapStatistics, gapStatistics } from "./gap_statistics.ts";
import type { StepHistory, StepRequest } from "./step_history.ts";

const LATE_FACTOR = 1.5;
const MIN_EXCESS_MS = 1;
const MAX_TOLD = 8;

export interface TokenTime {
  readonly index: number;
  readonly step: number;
  /** When the worker had it to send, epoch milliseconds. */
  readonly atMs: number;
}

/** A token whose gap is worth telling. */
export interface LateToken extends TokenTime, GapExplanation {
  readonly gapMs: number;
}

export class TokenGaps {
  readonly #steps: StepHistory;
  readonly #gapsMs: number[] = [];
  readonly #hostsMs: number[] = [];
  readonly #outsidesMs: number[] = [];
  readonly #prefillRows: number[] = [];
  readonly #decodeRows: number[] = [];
  /** Longest first. */
  readonly #longest: (TokenTime & Gap)[] = [];
  #lastMs: number | null = null;
  #preemption: Gap["preemption"] = null;
  #isHandOver = false;

  constructor(steps: StepHistory) {
    this.#steps = steps;
  }

  /**
   * KV of a prefill worker is here, and with it the first token.
   * @param sinceFirstTokenMs how long ago the first token was made
   */
  handedOver(atMs: number, sinceFirstTokenMs: number): void {
    this.#lastMs = atMs - sinceFirstTokenMs;
    this.#isHandOver = true;
  }

  /** @param by the request that needed the blocks; null where none but its own did */
  preempted(by: StepRequest | null): void {
    this.#preemption = { by };
  }

  token(token: TokenTime): void {
    if (this.#lastMs !== null) this.#add(token, this.#lastMs);
    this.#lastMs = token.atMs;
    this.#preemption = null;
    this.#isHandOver = false;
  }

  /** Of the gaps between tokens that were made here; null when there was none. */
  statistics(): GapStatistics | null {
    return gapStatistics(this.#gapsMs);
  }

  /** The worst gaps with their causes, in the order of the tokens. */
  lateTokens(): LateToken[] {
    const gapMs = median(this.#gapsMs);
    const late = this.#longest.filter((gap) =>
      gapMs > 0 && gap.gapMs > LATE_FACTOR * gapMs && gap.gapMs - gapMs > MIN_EXCESS_MS
    );
    if (late.length === 0) return [];
    const hostMs = median(this.#hostsMs);
    const outsideMs = median(this.#outsidesMs);
    const usual: UsualGap = {
      gapMs,
      hostMs,
      outsideMs,
      deviceMs: Math.max(0, gapMs - hostMs - outsideMs),
      prefillRows: median(this.#prefillRows),
      decodeRows: Math.max(1, median(this.#decodeRows)),
    };
    return late
      .map((gap) => ({
        index: gap.index,
        step: gap.step,
        atMs: gap.atMs,
        gapMs: gap.gapMs,
        ...explainGap(gap, usual),
      }))
      .toSorted((a, b) => a.index - b.index);
  }

  #add(token: TokenTime, lastMs: number): void {
    const gapMs = token.atMs - lastMs;
    const past = this.#steps.at(token.step);
    if (!this.#isHandOver) {
      this.#gapsMs.push(gapMs);
      if (past !== null) {
        const { hostMs, outsideMs } = gapParts(gapMs, past);
        this.#hostsMs.push(hostMs);
        this.#outsidesMs.push(outsideMs);
        this.#prefillRows.push(past.report.prefillRows);
        this.#decodeRows.push(past.report.decodeRows);
      }
    }
    const isFull = this.#longest.length === MAX_TOLD;
    if (isFull && gapMs <= (this.#longest.at(-1)?.gapMs ?? 0)) return;
    if (isFull) this.#longest.pop();
    const place = this.#longest.findLastIndex((each) => each.gapMs >= gapMs) + 1;
    this.#longest.splice(place, 0, {
      ...token,
      gapMs,
      past,
      preemption: this.#preemption,
      kvWaitMs: this.#isHandOver && past !== null ? past.report.startMs - lastMs : 0,
    });
  }
}

/** 0 where there is nothing. */
function median(values: readonly number[]): number {
  return gapStatistics(values)?.p50Ms ?? 0;
}
