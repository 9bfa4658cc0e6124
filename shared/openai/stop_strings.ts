/**
 * Finds stop strings in text that arrives piece by piece.
 *
 * Invariant: no character that may belong to a stop string is ever given out. Text is held back only
 * while its end is the beginning of a stop string, so a match across pieces is seen and a false
 * start is given out as soon as it is refuted.
 */

export interface StopResult {
  /** Text that is safe to show. */
  readonly text: string;
  readonly isStopped: boolean;
}

export class StopMatcher {
  readonly #stops: readonly string[];
  #held = "";
  #isStopped = false;

  /** `stops` must not hold an empty string. */
  constructor(stops: readonly string[]) {
    if (stops.includes("")) throw new RangeError("Cannot match a stop string: it is empty");
    this.#stops = stops;
  }

  /** Takes a piece. The earliest match ends the text just before it. */
  push(piece: string): StopResult {
    if (this.#isStopped) return { text: "", isStopped: true };
    const text = this.#held + piece;
    const end = this.#firstMatch(text);
    if (end >= 0) {
      this.#isStopped = true;
      this.#held = "";
      return { text: text.slice(0, end), isStopped: true };
    }
    const held = this.#possibleStart(text);
    this.#held = text.slice(text.length - held);
    return { text: text.slice(0, text.length - held), isStopped: false };
  }

  /** The generation ended: what was held back was no stop string. */
  flush(): string {
    const text = this.#held;
    this.#held = "";
    return text;
  }

  #firstMatch(text: string): number {
    let first = -1;
    for (const stop of this.#stops) {
      const at = text.indexOf(stop);
      if (at >= 0 && (first < 0 || at < first)) first = at;
    }
    return first;
  }

  /** Length of the longest end of `text` that begins a stop string. */
  #possibleStart(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
