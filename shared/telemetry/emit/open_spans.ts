/**
 * The spans that have not ended. A list that lets go of a span with all links to it, and not a Set: a Set
 * under change grows from table to table, each table points to the next one, and once one of them has
 * become old they keep what they held alive until the next full collection: where spans are all that
 * is done, that was four fifths of the garbage collector's time.
 */

/** A span that can be ended because its process goes away. */
export interface Abandonable {
  abandon(reason: string): void;
}

/** The place of one span in the list. */
export interface OpenEntry {
  span: Abandonable | null;
  before: OpenEntry | null;
  after: OpenEntry | null;
}

export class OpenSpans {
  #newest: OpenEntry | null = null;

  add(span: Abandonable): OpenEntry {
    const entry: OpenEntry = { span, before: this.#newest, after: null };
    if (this.#newest !== null) this.#newest.after = entry;
    this.#newest = entry;
    return entry;
  }

  remove(entry: OpenEntry): void {
    const { before, after } = entry;
    if (before !== null) before.after = after;
    if (after !== null) after.before = before;
    if (this.#newest === entry) this.#newest = before;
    entry.span = entry.before = entry.after = null;
  }

  /** Those that are open now, the one that was opened last first. */
  newestFirst(): Abandonable[] {
    const spans: Abandonable[] = [];
    for (let entry = this.#newest; entry !== null; entry = entry.before) {
      if (entry.span !== null) spans.push(entry.span);
    }
    return spans;
  }
}
