/** An unbounded queue with one reader. A failure overtakes what is still queued. */
export class ArrivalQueue<T> {
  readonly #items: T[] = [];
  #failure: { readonly reason: unknown } | null = null;
  #reader: { resolve(item: T): void; reject(reason: unknown): void } | null = null;

  push(item: T): void {
    if (this.#reader === null) {
      this.#items.push(item);
      return;
    }
    this.#reader.resolve(item);
    this.#reader = null;
  }

  /** Makes every later `next` reject with `reason`. */
  fail(reason: unknown): void {
    this.#failure ??= { reason };
    this.#reader?.reject(reason);
    this.#reader = null;
  }

  /** What has come already and was not read; undefined when there is nothing, or a failure. */
  nextReady(): T | undefined {
    return this.#failure === null ? this.#items.shift() : undefined;
  }

  next(): Promise<T> {
    if (this.#failure !== null) return Promise.reject(this.#failure.reason);
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve, reject) => this.#reader = { resolve, reject });
  }
}
