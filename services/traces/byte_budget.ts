/** Bytes of requests in work, so that memory stays bounded at any rate of them. */
export class ByteBudget {
  readonly #limit: number;
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** A share that grows as its request is read, and is given back at its end. */
  open(): ByteShare {
    return new ByteShare((bytes) => {
      if (this.#used + bytes > this.#limit) return false;
      this.#used += bytes;
      return true;
    });
  }
}

export class ByteShare {
  readonly #take: (bytes: number) => boolean;
  #bytes = 0;

  constructor(take: (bytes: number) => boolean) {
    this.#take = take;
  }

  /** False when the budget does not have so many bytes now. */
  grow(bytes: number): boolean {
    if (!this.#take(bytes)) return false;
    this.#bytes += bytes;
    return true;
  }

  [Symbol.dispose](): void {
    this.#take(-this.#bytes);
    this.#bytes = 0;
  }
}
