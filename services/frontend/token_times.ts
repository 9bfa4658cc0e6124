import { toWholeUs } from "../../shared/clock/whole_us.ts";
import type { RunningRequest } from "./api_document.ts";

/** `count` gaps of equal length. */
export interface TokenGaps {
  readonly count: number;
  readonly gapMs: number;
}

/** When the tokens of an answer arrived: a frame's tokens share its time evenly. */
export class TokenTimes {
  #count = 0;
  #firstAtMs = 0;
  #lastAtMs = 0;

  get count(): number {
    return this.#count;
  }

  /** Takes `count` tokens, at least one. Returns the gaps before them; the first token has none. */
  add(count: number, atMs: number): TokenGaps {
    const isFirst = this.#count === 0;
    const sinceMs = isFirst ? 0 : atMs - this.#lastAtMs;
    const gaps = isFirst ? count - 1 : count;
    if (isFirst) this.#firstAtMs = atMs;
    this.#lastAtMs = atMs;
    this.#count += count;
    return { count: gaps, gapMs: gaps === 0 ? 0 : sinceMs / gaps };
  }

  /** Null below two tokens. */
  averageGapMs(): number | null {
    if (this.#count < 2) return null;
    return (this.#lastAtMs - this.#firstAtMs) / (this.#count - 1);
  }

  /** How far the answer is. */
  progress(
    nowMs: number,
  ): Pick<RunningRequest, "output_tokens" | "last_token_age_ms" | "avg_itl_ms"> {
    const averageGapMs = this.averageGapMs();
    return {
      output_tokens: this.#count,
      last_token_age_ms: this.#count === 0 ? null : toWholeUs(nowMs - this.#lastAtMs),
      avg_itl_ms: averageGapMs === null ? null : toWholeUs(averageGapMs),
    };
  }
}
