/**
 * The receiver's side of a transfer's flow control. Counts messages, each of at most one chunk.
 *
 * What was copied into the part under assembly counts as taken: otherwise a part larger than the
 * window could never arrive. A complete part counts until its reader takes it, so a slow reader
 * stops the sender after one window and the part that was under way.
 */
export class CreditWindow {
  readonly #size: () => number;
  #received = 0;
  #held = 0;
  #granted = 0;

  /** `size` is asked at every grant, so that many transfers can share one budget. */
  constructor(size: () => number) {
    this.#size = size;
  }

  /** Messages that the sender may have sent in all. */
  get granted(): number {
    return this.#granted;
  }

  /** One message came. False when it had no credit. */
  receive(): boolean {
    this.#received++;
    return this.#received <= this.#granted;
  }

  /** A complete part of so many messages waits for its reader. */
  hold(messages: number): void {
    this.#held += messages;
  }

  /** The reader took a part of so many messages. */
  release(messages: number): void {
    this.#held -= messages;
  }

  /**
   * Grants what the window allows. Returns whether the sender should be told: a quarter of the window
   * is new, or the sender has nothing left.
   */
  grant(): boolean {
    const size = this.#size();
    const allowed = this.#received + Math.max(0, size - this.#held);
    const fresh = allowed - this.#granted;
    if (fresh <= 0) return false;
    if (fresh * 4 < size && this.#received < this.#granted) return false;
    this.#granted = allowed;
    return true;
  }
}
