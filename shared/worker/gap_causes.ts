/**
 * Why the gap before a token was longer than the sequence's usual one. What it has beyond that, its
 * excess, is shared out over its causes, and the one with the largest share is named. Where another
 * part of the gap was shorter than usual, the shares are more than the excess in sum; none counts for
 * more than all of it.
 *
 * - `preempted`: the sequence had lost its blocks; all of the excess is that.
 * - `kv_wait`: the first token was made by a prefill worker; its KV had yet to come, and to be taken in
 *   between two steps.
 * - `kv_export`, `kv_import`: KV of other sequences was read or written between the steps.
 * - `stall`: outside the step, more time than usual in which nothing was done: the event loop or the
 *   garbage collector held one of the threads up, or no core was free for it.
 * - `readback`: within the step, more time than usual beside what the device says it took: handing it
 *   the work and getting the result back.
 * - `prefill`, `batch_growth`: the step took longer and had more rows of prompts, or of answers, in it
 *   than usual. They count up to MAX_ROW_COST times what the usual ones cost.
 * - `engine`: the step took longer, and nothing here says why.
 */

import type { PastStep, StepRequest, StepWork } from "./step_history.ts";

/**
 * Weights are read once for all rows of a step, so one more costs less than those that are there; but a
 * row late in a long text has more to attend to, and other numbers of rows may run on other kernels.
 */
const MAX_ROW_COST = 2;

export type GapCause =
  | "prefill"
  | "batch_growth"
  | "kv_wait"
  | "kv_import"
  | "kv_export"
  | "preempted"
  | "stall"
  | "readback"
  | "engine";

export interface Gap {
  readonly gapMs: number;
  /** The step that made the token; null when it is not known any more. */
  readonly past: PastStep | null;
  /** The sequence lost its blocks in it, to this request; null where it found none for itself. */
  readonly preemption: { readonly by: StepRequest | null } | null;
  /** Of it, time before the first step that had the prefill worker's KV; 0 for gaps after that. */
  readonly kvWaitMs: number;
}

/** Where the time of a gap goes: within its step, on the device and beside it, and outside. */
export interface GapParts {
  /** All of the step's time where the device tells none. */
  readonly deviceMs: number;
  readonly hostMs: number;
  readonly outsideMs: number;
}

/** Medians of the sequence. */
export interface UsualGap extends GapParts {
  readonly gapMs: number;
  /** Rows of prompts in a step. */
  readonly prefillRows: number;
  /** Rows of answers in a step, at least 1. */
  readonly decodeRows: number;
}

/** The cause with the largest share of a gap's excess. */
export interface GapExplanation {
  readonly cause: GapCause;
  readonly causeMs: number;
  /** The other request that it comes from, where there is one. */
  readonly other: StepRequest | null;
  /** Rows of the other request's prompt in the step; 0 where the cause is another. */
  readonly otherTokens: number;
}

interface KnownGap extends Gap, GapParts {
  readonly past: PastStep;
}

interface Share {
  readonly cause: GapCause;
  readonly ms: number;
  readonly works?: readonly StepWork[];
}

export function gapParts(gapMs: number, { report }: PastStep): GapParts {
  const stepMs = report.endMs - report.startMs;
  const deviceMs = Math.min(report.deviceMs ?? stepMs, stepMs);
  return { deviceMs, hostMs: stepMs - deviceMs, outsideMs: gapMs - stepMs };
}

/** Names the cause of a gap that is longer than the usual one. */
export function explainGap(gap: Gap, usual: UsualGap): GapExplanation {
  const { gapMs, past } = gap;
  const excessMs = gapMs - usual.gapMs;
  if (gap.preemption !== null) {
    const { by } = gap.preemption;
    return { cause: "preempted", causeMs: excessMs, other: by, otherTokens: 0 };
  }
  // Very many steps went by before this thread got to the token.
  if (past === null) return { cause: "stall", causeMs: excessMs, other: null, otherTokens: 0 };
  const known = { ...gap, past, ...gapParts(gapMs, past) };
  const shares = [...sharesOutside(known, usual), ...sharesWithin(known, usual)];
  const { cause, ms, works = [] } = shares.reduce((best, each) => each.ms > best.ms ? each : best);
  const [work] = works.toSorted((a, b) => b.amount - a.amount);
  return {
    cause,
    causeMs: Math.min(ms, excessMs),
    other: work?.request ?? null,
    otherTokens: cause === "prefill" ? work?.amount ?? 0 : 0,
  };
}

function sharesOutside({ past, outsideMs, kvWaitMs }: KnownGap, usual: UsualGap): Share[] {
  // KV that is copied before the first step is the sequence's own.
  const isHandOver = kvWaitMs > 0;
  const exportMs = isHandOver ? 0 : total(past.kvExports);
  const importMs = isHandOver ? 0 : total(past.kvImports);
  const idleMs = outsideMs - kvWaitMs - exportMs - importMs;
  return [
    { cause: "stall", ms: Math.max(0, idleMs - usual.outsideMs) },
    { cause: "kv_wait", ms: kvWaitMs },
    { cause: "kv_export", ms: exportMs, works: past.kvExports },
    { cause: "kv_import", ms: importMs, works: past.kvImports },
  ];
}

function sharesWithin({ past, deviceMs, hostMs }: KnownGap, usual: UsualGap): Share[] {
  const { prefillRows, decodeRows } = past.report;
  const slowMs = Math.max(0, deviceMs - usual.deviceMs);
  const morePrefill = Math.max(0, prefillRows - usual.prefillRows);
  const moreDecode = Math.max(0, decodeRows - usual.decodeRows);
  const moreRows = morePrefill + moreDecode;
  const usualRowMs = usual.deviceMs / (usual.prefillRows + usual.decodeRows);
  const rowsMs = Math.min(slowMs, MAX_ROW_COST * moreRows * usualRowMs);
  const prefillMs = moreRows === 0 ? 0 : rowsMs * morePrefill / moreRows;
  return [
    { cause: "readback", ms: Math.max(0, hostMs - usual.hostMs) },
    { cause: "prefill", ms: prefillMs, works: past.prefills },
    { cause: "batch_growth", ms: rowsMs - prefillMs },
    { cause: "engine", ms: slowMs - rowsMs },
  ];
}

function total(works: readonly StepWork[]): number {
  return works.reduce((sum, { amount }) => sum + amount, 0);
}
