/**
 * The gaps between the tokens of one sequence, and why the worst of them were so long.
 *
 * A gap is told of when it is longer than LATE_FACTOR times the sequence's median gap and by more than
 * MIN_EXCESS_MS; of these at most MAX_TOLD, the longest. What a gap has beyond the median is shared out
 * over its causes, and the one with the largest share is named:
 *
 * - `preempted`: the sequence had lost its blocks; all of the excess is that.
 * - `kv_wait`: the first token was made by a prefill worker, and its KV had yet to come.
 * - `kv_export`, `kv_import`: KV of other sequences was read or written between the steps.
 * - `stall`: more time than usual in which no step ran and no KV was copied: the event loop or the
 *   garbage collector held one of the threads up, or no core was free for it.
 * - `prefill`, `batch_growth`: the step took longer and had prompt rows, or more answers than usual in
 *   it. Rows cost no more than in proportion to their number, and count up to there.
 * - `engine`: the step took longer, and nothing here says why.
 */

import { type GapStatistics, gapStatistics } from "./gap_statistics.ts";
import type { PastStep, StepHistory, StepRequest, StepWork } from "./step_history.ts";

const LATE_FACTOR = 1.5;
const MIN_EXCESS_MS = 1;
const MAX_TOLD = 8;

export type GapCause =
  | "prefill"
  | "batch_growth"
  | "kv_wait"
  | "kv_import"
  | "kv_export"
  | "preempted"
  | "stall"
  | "engine";

/** A gap that is worth telling. */
export interface LateToken {
  readonly index: number;
  readonly step: number;
  readonly atMs: number;
  readonly gapMs: number;
  readonly cause: GapCause;
  /** The cause's share of the gap. */
  readonly causeMs: number;
  /** The other request that the cause comes from, where there is one. */
  readonly other: StepRequest | null;
  /** Rows of the other request's prompt in the step; 0 where the cause is another. */
  readonly otherTokens: number;
}

export interface TokenTime {
  readonly index: number;
  readonly step: number;
  /** When the worker had it to send, epoch milliseconds. */
  readonly atMs: number;
}

interface Gap extends TokenTime {
  readonly gapMs: number;
  /** Of it, time in which the device did not run the step that made the token. */
  readonly idleMs: number;
  readonly past: PastStep | null;
  readonly isPreempted: boolean;
  /** Of it, time before the KV had come. */
  readonly kvWaitMs: number;
}

interface Usual {
  readonly gapMs: number;
  readonly idleMs: number;
  readonly rows: number;
}

interface Share {
  readonly cause: GapCause;
  readonly ms: number;
  readonly works?: readonly StepWork[];
}

export class TokenGaps {
  readonly #steps: StepHistory;
  readonly #gapsMs: number[] = [];
  readonly #idlesMs: number[] = [];
  readonly #rows: number[] = [];
  /** Longest first. */
  #longest: Gap[] = [];
  #lastMs: number | null = null;
  #isPreempted = false;
  #kvWaitMs = 0;

  constructor(steps: StepHistory) {
    this.#steps = steps;
  }

  /**
   * KV of a prefill worker is here, and with it the first token.
   * @param sinceFirstTokenMs how long ago the first token was made
   */
  handedOver(atMs: number, sinceFirstTokenMs: number): void {
    this.#lastMs = atMs - sinceFirstTokenMs;
    this.#kvWaitMs = sinceFirstTokenMs;
  }

  preempted(): void {
    this.#isPreempted = true;
  }

  token(token: TokenTime): void {
    if (this.#lastMs !== null) this.#add(token, token.atMs - this.#lastMs);
    this.#lastMs = token.atMs;
    this.#isPreempted = false;
    this.#kvWaitMs = 0;
  }

  /** Of the gaps between tokens that were made here; null when there was none. */
  statistics(): GapStatistics | null {
    return gapStatistics(this.#gapsMs);
  }

  /** The worst gaps with their causes, in the order of the tokens. */
  lateTokens(): LateToken[] {
    const gaps = this.statistics();
    if (gaps === null) return [];
    const usual: Usual = {
      gapMs: gaps.p50Ms,
      idleMs: gapStatistics(this.#idlesMs)?.p50Ms ?? 0,
      rows: Math.max(1, gapStatistics(this.#rows)?.p50Ms ?? 1),
    };
    return this.#longest
      .filter(({ gapMs }) =>
        gapMs > LATE_FACTOR * usual.gapMs && gapMs - usual.gapMs > MIN_EXCESS_MS
      )
      .map((gap) => explain(gap, usual))
      .toSorted((a, b) => a.index - b.index);
  }

  #add(token: TokenTime, gapMs: number): void {
    const past = this.#steps.at(token.step);
    const idleMs = gapMs - (past === null ? gapMs : deviceMs(past));
    if (this.#kvWaitMs === 0) {
      this.#gapsMs.push(gapMs);
      this.#idlesMs.push(idleMs);
      this.#rows.push(past?.report.decodeRows ?? 1);
    }
    const shortest = this.#longest.length < MAX_TOLD ? -1 : this.#longest.at(-1)?.gapMs ?? -1;
    if (gapMs <= shortest) return;
    const place = this.#longest.findLastIndex((each) => each.gapMs >= gapMs) + 1;
    this.#longest.splice(place, 0, {
      ...token,
      gapMs,
      idleMs,
      past,
      isPreempted: this.#isPreempted,
      kvWaitMs: this.#kvWaitMs,
    });
    this.#longest.length = Math.min(this.#longest.length, MAX_TOLD);
  }
}

function explain(gap: Gap, usual: Usual): LateToken {
  const { index, step, atMs, gapMs } = gap;
  const shares = sharesOf(gap, usual);
  const largest = shares.reduce((best, share) => share.ms > best.ms ? share : best);
  const work = largest.works?.reduce((best, each) => each.amount > best.amount ? each : best);
  return {
    index,
    step,
    atMs,
    gapMs,
    cause: largest.cause,
    causeMs: largest.ms,
    other: work?.request ?? null,
    otherTokens: largest.cause === "prefill" ? work?.amount ?? 0 : 0,
  };
}

/** The causes of what a gap has beyond the usual one; never empty. */
function sharesOf(gap: Gap, usual: Usual): Share[] {
  const excessMs = gap.gapMs - usual.gapMs;
  if (gap.isPreempted) return [{ cause: "preempted", ms: excessMs }];
  // Many steps went by before this thread got to the token.
  if (gap.past === null) return [{ cause: "stall", ms: excessMs }];
  const { report, prefills, kvExports, kvImports } = gap.past;
  const exportMs = total(kvExports);
  const importMs = total(kvImports);
  const idleMs = gap.idleMs - exportMs - importMs - gap.kvWaitMs;
  const stallMs = Math.max(0, idleMs - usual.idleMs);
  const slowMs = Math.max(0, deviceMs(gap.past) - (usual.gapMs - usual.idleMs));
  const grownRows = Math.max(0, report.decodeRows - usual.rows);
  const moreRows = report.prefillRows + grownRows;
  const rowsMs = Math.min(slowMs, moreRows * (usual.gapMs - usual.idleMs) / usual.rows);
  const prefillMs = moreRows === 0 ? 0 : rowsMs * report.prefillRows / moreRows;
  return [
    { cause: "engine", ms: slowMs - rowsMs },
    { cause: "stall", ms: stallMs },
    { cause: "kv_wait", ms: gap.kvWaitMs },
    { cause: "kv_export", ms: exportMs, works: some(kvExports) },
    { cause: "kv_import", ms: importMs, works: some(kvImports) },
    { cause: "batch_growth", ms: rowsMs - prefillMs },
    { cause: "prefill", ms: prefillMs, works: some(prefills) },
  ];
}

/** Time of the step on its device, or all of its time where the device tells none. */
function deviceMs({ report }: PastStep): number {
  return report.deviceMs ?? report.endMs - report.startMs;
}

function total(works: readonly StepWork[]): number {
  return works.reduce((sum, { amount }) => sum + amount, 0);
}

function some(works: readonly StepWork[]): readonly StepWork[] | undefined {
  return works.length === 0 ? undefined : works;
}
