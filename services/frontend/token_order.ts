/**
 * Puts the tokens of one attempt in order.
 *
 * The first token comes from the prefill worker and the rest from the decode worker, on two streams
 * that race: what arrives early waits, what arrives twice is dropped.
 */
export class TokenOrder {
  #nextIndex = 0;
  readonly #early = new Map<number, readonly number[]>();

  /** Index of the token that is missing next. */
  get nextIndex(): number {
    return this.#nextIndex;
  }

  /** Whether tokens wait for an earlier one. */
  get hasGap(): boolean {
    return this.#early.size > 0;
  }

  /** Takes the tokens from `index` on; returns those that are in order now. */
  push(index: number, ids: readonly number[]): readonly number[] {
    if (index > this.#nextIndex) {
      this.#early.set(index, ids);
      return [];
    }
    const inOrder = this.#take(index, ids);
    if (this.#early.size === 0) return inOrder;
    const ready = [...inOrder];
    const early = [...this.#early].sort(([a], [b]) => a - b);
    for (const [earlyIndex, earlyIds] of early) {
      if (earlyIndex > this.#nextIndex) break;
      this.#early.delete(earlyIndex);
      ready.push(...this.#take(earlyIndex, earlyIds));
    }
    return ready;
  }

  #take(index: number, ids: readonly number[]): readonly number[] {
    const fresh = index === this.#nextIndex ? ids : ids.slice(this.#nextIndex - index);
    this.#nextIndex += fresh.length;
    return fresh;
  }
}
