/**
 * A hash table from a pair of token ids to a number, open addressing in one flat array: a tenth of
 * the memory of a Map with string keys, which for 280,000 merges is what a tokenizer mostly is.
 */
export class PairTable {
  /** [slots, 3] left, right, value; left is -1 in an empty slot. */
  readonly #slots: Int32Array;
  readonly #mask: number;

  /** A table for at most `capacity` pairs. */
  constructor(capacity: number) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(2, capacity * 2)));
    this.#mask = slots - 1;
    this.#slots = new Int32Array(slots * 3).fill(-1);
  }

  /** Adds a pair; one that is there already keeps its first value. Ids are 0 or more. */
  add(left: number, right: number, value: number): void {
    const at = this.#find(left, right);
    if (this.#slots[at] >= 0) return;
    this.#slots[at] = left;
    this.#slots[at + 1] = right;
    this.#slots[at + 2] = value;
  }

  /** The value of a pair, or -1 when it is not there. */
  get(left: number, right: number): number {
    return this.#slots[this.#find(left, right) + 2];
  }

  /** The place of a pair, or the empty one where it belongs. */
  #find(left: number, right: number): number {
    let slot = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> 0;
    slot ^= slot >>> 15;
    for (slot &= this.#mask;; slot = (slot + 1) & this.#mask) {
      const at = slot * 3;
      const isEmpty = this.#slots[at] < 0;
      if (isEmpty || (this.#slots[at] === left && this.#slots[at + 1] === right)) return at;
    }
  }
}
