/** The times between the tokens of one answer, as small bars. */

import { formatDuration } from "../../../shared/trace_view/format.ts";
import { h } from "./dom.ts";

/** Of more gaps each bar is the longest of several. */
const MAX_BARS = 512;
/** A gap of so many medians stands out. */
const SLOW_FACTOR = 2;

export interface GapFigures {
  readonly medianMs: number;
  readonly longestMs: number;
  /** Number of the token that the longest gap came before, from 1. */
  readonly longestAt: number;
}

/** Null below two tokens. */
export function gapFigures(gapsMs: readonly number[]): GapFigures | null {
  if (gapsMs.length === 0) return null;
  const sorted = [...gapsMs].sort((a, b) => a - b);
  const longestMs = sorted.at(-1) ?? 0;
  return {
    medianMs: sorted[Math.floor(sorted.length / 2)] ?? 0,
    longestMs,
    longestAt: gapsMs.indexOf(longestMs) + 2,
  };
}

/** The gaps in at most `most` runs of neighbours, the longest of each with the number of its token. */
export function longestGaps(
  gapsMs: readonly number[],
  most: number,
): { readonly gapMs: number; readonly token: number }[] {
  const runLength = Math.max(Math.ceil(gapsMs.length / most), 1);
  return Array.from({ length: Math.ceil(gapsMs.length / runLength) }, (_, run) => {
    const gaps = gapsMs.slice(run * runLength, (run + 1) * runLength);
    const gapMs = Math.max(...gaps);
    return { gapMs, token: run * runLength + gaps.indexOf(gapMs) + 2 };
  });
}

/** The bars with their meaning in words; null below two tokens. */
export function tokenGaps(gapsMs: readonly number[]): HTMLElement | null {
  const figures = gapFigures(gapsMs);
  if (figures === null) return null;
  const { medianMs, longestMs, longestAt } = figures;
  const words =
    `Between tokens, as this page got them: median ${formatDuration(medianMs * 1000)}, longest ` +
    `${formatDuration(longestMs * 1000)} before token ${longestAt}`;
  const bars = longestGaps(gapsMs, MAX_BARS).map(({ gapMs, token }) => {
    const bar = h(gapMs > medianMs * SLOW_FACTOR ? "i.slow" : "i", [], {
      attributes: { title: `token ${token}: ${formatDuration(gapMs * 1000)} after the last` },
    });
    bar.style.height = `${Math.max(gapMs / Math.max(longestMs, 1e-6) * 100, 4).toFixed(1)}%`;
    return bar;
  });
  return h("figure.gaps", [
    h("div.bars", bars, { attributes: { "aria-hidden": "true" } }),
    h("figcaption", [words]),
  ]);
}
