/**
 * The merge loop of both BPE flavours: of all neighbours that may merge, the pair of the lowest
 * priority number merges first, the leftmost of equals; until no pair is left.
 *
 * Symbols are a linked list and candidate pairs a binary heap, so a text of n symbols takes
 * O(n log n). A pair that changed after it was queued is recognised by its length and skipped.
 */

export interface MergeRules {
  /** A number for the merge of two neighbours, or -1. `left` and `right` are symbol indices. */
  find(symbols: Symbols, left: number, right: number): number;
  /** Orders merges by their number: low comes first. */
  priority(merge: number): number;
  /** The id that a merge gives. */
  result(merge: number): number;
}

/** Stretches of one text that have a token id each. */
export class Symbols {
  /** [symbols] Token id, or -1 for a stretch that no token spells. */
  readonly ids: Int32Array;
  /** [symbols] First and last-but-one position in the text. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;

  /** `ids` of single symbols and the text positions where each starts; `length` ends the last. */
  constructor(ids: Int32Array, starts: Int32Array, length: number) {
    const count = ids.length;
    this.ids = ids;
    this.starts = starts;
    this.ends = new Int32Array(count);
    this.#next = new Int32Array(count);
    this.#previous = new Int32Array(count);
    for (let index = 0; index < count; index++) {
      const isLast = index === count - 1;
      this.ends[index] = isLast ? length : starts[index + 1];
      this.#next[index] = isLast ? -1 : index + 1;
      this.#previous[index] = index - 1;
    }
  }

  /** Merges neighbours until no rule applies. */
  merge(rules: MergeRules): void {
    const queue = new PairQueue();
    for (let left = 0; left + 1 < this.ids.length; left++) {
      this.#enqueue(queue, rules, left, left + 1);
    }
    while (queue.pop()) {
      const left = queue.left;
      const right = this.#next[left];
      if (right < 0 || this.ends[right] - this.starts[left] !== queue.length) continue;
      this.ids[left] = rules.result(queue.merge);
      this.ends[left] = this.ends[right];
      const after = this.#next[right];
      this.#next[left] = after;
      if (after >= 0) this.#previous[after] = left;
      // A symbol that was merged away starts no pair of any length.
      this.#next[right] = -1;
      if (this.#previous[left] >= 0) this.#enqueue(queue, rules, this.#previous[left], left);
      if (after >= 0) this.#enqueue(queue, rules, left, after);
    }
  }

  /** Calls `visit` with the symbol index of every remaining stretch, in text order. */
  forEach(visit: (index: number) => void): void {
    if (this.ids.length === 0) return;
    for (let index = 0; index >= 0; index = this.#next[index]) visit(index);
  }

  #enqueue(queue: PairQueue, rules: MergeRules, left: number, right: number): void {
    const merge = rules.find(this, left, right);
    if (merge < 0) return;
    const length = this.ends[right] - this.starts[left];
    queue.push({ priority: rules.priority(merge), left, length, merge });
  }
}

interface Pair {
  readonly priority: number;
  readonly left: number;
  readonly length: number;
  readonly merge: number;
}

/** A binary heap of candidate pairs; `pop` leaves the popped pair in the fields. */
class PairQueue {
  left = 0;
  length = 0;
  merge = 0;
  readonly #heap: Pair[] = [];

  push(pair: Pair): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(pair);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(pair, heap[parent])) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = pair;
  }

  pop(): boolean {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined) return false;
    const first = heap.length === 0 ? last : heap[0];
    if (heap.length > 0) this.#sink(last);
    this.left = first.left;
    this.length = first.length;
    this.merge = first.merge;
    return true;
  }

  /** Puts a pair in the place of the first and restores the order. */
  #sink(pair: Pair): void {
    const heap = this.#heap;
    let at = 0;
    while (true) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++;
      if (!isBefore(heap[child], pair)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = pair;
  }
}

function isBefore(a: Pair, b: Pair): boolean {
  return a.priority < b.priority || (a.priority === b.priority && a.left < b.left);
}
