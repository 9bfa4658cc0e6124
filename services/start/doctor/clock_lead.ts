/** How far another clock is ahead of this machine's, as far as an answer with a date can tell. */

export interface Exchange {
  /** This clock when the question left and when the answer was there, epoch milliseconds. */
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
}

/** A `Date` header counts whole seconds, and servers reuse it for up to another. */
const DATE_SPAN_MS = 2_000;

/**
 * The least lead that explains the date of an answer, in milliseconds; negative for a clock behind, 0
 * where both may agree.
 */
export function clockLeadMs(dateMs: number, { askedAtMs, answeredAtMs }: Exchange): number {
  if (!Number.isFinite(dateMs)) return 0;
  if (dateMs > answeredAtMs) return dateMs - answeredAtMs;
  return Math.min(0, dateMs + DATE_SPAN_MS - askedAtMs);
}
