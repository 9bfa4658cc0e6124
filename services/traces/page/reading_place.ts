/**
 * Where the reader of a growing answer is: at its end, where the page goes along with it, or further up,
 * where it stays as it is until they come back down.
 */

/** Share of the visible height at which the end of the text stands at most: below it goes the trace. */
const TEXT_SHARE = 0.35;
/** Positions are rounded. */
const SLACK_PX = 2;

export class ReadingPlace {
  /** What covers the lower end of the window. */
  readonly #cover: HTMLElement;
  #textEnd: HTMLElement | null = null;
  #follows = true;
  #lastY = 0;
  #isDue = false;

  constructor(cover: HTMLElement) {
    this.#cover = cover;
    addEventListener("scroll", () => this.#onScroll(), { passive: true });
  }

  /** Goes to the end of a new answer; `textEnd` is what its text ends with. */
  begin(textEnd: HTMLElement): void {
    this.#textEnd = textEnd;
    this.#follows = true;
    this.grown();
  }

  /** Something was added: goes along with it, at the next frame. */
  grown(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      const endY = this.#endY();
      if (this.#follows && endY > scrollY) scrollTo(0, endY);
    });
  }

  /** Before another view is shown: the browser tells of the last scrolling only with the next frame. */
  keep(): void {
    this.#onScroll();
  }

  /** After another view was shown in between. */
  restore(): void {
    scrollTo(0, this.#follows ? Math.max(this.#endY(), this.#lastY) : this.#lastY);
  }

  #onScroll(): void {
    if (!this.#cover.isConnected) return;
    const hasGoneUp = scrollY < this.#lastY - SLACK_PX;
    if (scrollY >= this.#endY() - SLACK_PX) this.#follows = true;
    else if (hasGoneUp) this.#follows = false;
    this.#lastY = scrollY;
  }

  /** The scroll position that shows the end of the text, and of the trace as much as there is room for. */
  #endY(): number {
    if (this.#textEnd?.isConnected !== true) return 0;
    const lastY = document.documentElement.scrollHeight - innerHeight;
    const visiblePx = innerHeight - this.#cover.offsetHeight;
    const textEndY = scrollY + this.#textEnd.getBoundingClientRect().bottom;
    return Math.max(Math.min(lastY, textEndY - visiblePx * TEXT_SHARE), 0);
  }
}
