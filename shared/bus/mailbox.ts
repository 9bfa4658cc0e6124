/** Places at the front that may stand empty before the queue is moved up. */
const COMPACT_AFTER = 1024;

/** A queue with one reader: what the network pushes, an iteration takes. */
export class Mailbox<T> {
  #items: (T | undefined)[] = [];
  /** How many at the front were taken: shifting a long array would move the rest at every step. */
  #taken = 0;
  #waiter?: PromiseWithResolvers<IteratorResult<T, undefined>>;
  #end?: { readonly error?: unknown };

  /** Adds an item; one that comes after the end is dropped. */
  push(item: T): void {
    if (this.#end) return;
    if (this.#waiter) {
      this.#settle().resolve({ done: false, value: item });
    } else {
      this.#items.push(item);
    }
  }

  /** Ends the queue: the reader still gets what is queued. Only the first end counts. */
  end(): void {
    this.#close({});
  }

  /** Ends the queue with an error, after what is queued. Only the first end counts. */
  fail(error: unknown): void {
    this.#close({ error });
  }

  /** Drops what is queued. */
  clear(): void {
    this.#items = [];
    this.#taken = 0;
  }

  /** Resolves with the next item, or `done` after the end; rejects once with the error of the end. */
  take(): Promise<IteratorResult<T, undefined>> {
    const item = this.takeReady();
    if (item !== undefined) return Promise.resolve({ done: false, value: item });
    if (this.#end) {
      const { error } = this.#end;
      this.#end = {};
      return error === undefined
        ? Promise.resolve({ done: true, value: undefined })
        : Promise.reject(error);
    }
    if (this.#waiter) throw new TypeError("Cannot take from a mailbox twice at a time");
    this.#waiter = Promise.withResolvers();
    return this.#waiter.promise;
  }

  /** The next item if it is here already: what came in one burst costs one wait. */
  takeReady(): T | undefined {
    const item = this.#items[this.#taken];
    if (item === undefined) return undefined;
    this.#items[this.#taken++] = undefined;
    if (this.#taken >= COMPACT_AFTER || this.#taken === this.#items.length) {
      this.#items = this.#items.slice(this.#taken);
      this.#taken = 0;
    }
    return item;
  }

  #close(end: { readonly error?: unknown }): void {
    if (this.#end) return;
    this.#end = end;
    if (!this.#waiter) return;
    const waiter = this.#settle();
    this.#end = {};
    if (end.error === undefined) waiter.resolve({ done: true, value: undefined });
    else waiter.reject(end.error);
  }

  #settle(): PromiseWithResolvers<IteratorResult<T, undefined>> {
    const waiter = this.#waiter;
    if (!waiter) throw new TypeError("Cannot settle a mailbox that nobody waits for");
    this.#waiter = undefined;
    return waiter;
  }
}
