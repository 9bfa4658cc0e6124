/** The text of an answer, whose pieces tell when they came and what made them: by pointer or arrow keys. */

import { formatDuration } from "../../../shared/trace_view/format.ts";
import { type AnswerTimings, tokensOfPieces, type TokenTiming } from "./answer_timings.ts";
import { h } from "./dom.ts";

const HELP = "Point at a token, or go through them with the arrow keys, to see its time.";

interface Piece {
  readonly element: HTMLElement;
  /** Since the click. */
  readonly atMs: number;
  words: string;
}

export class AnswerText {
  readonly element: HTMLElement;
  readonly #text = h("div.answer_text", [], {
    attributes: { tabindex: "0", role: "group", "aria-label": "Answer" },
    on: {
      keydown: (event) => this.#onKey(event as KeyboardEvent),
      pointerover: (event) => this.#onPointer(event),
    },
  });
  readonly #info = h("p.token_info", [], { attributes: { "aria-live": "polite" } });
  readonly #pieces: Piece[] = [];
  #selected = -1;

  constructor() {
    this.element = h("div", [this.#text, this.#info]);
  }

  get text(): string {
    return this.#text.textContent ?? "";
  }

  /** When each piece came, since the click. */
  get piecesMs(): readonly number[] {
    return this.#pieces.map(({ atMs }) => atMs);
  }

  add(text: string, atMs: number): void {
    if (this.#pieces.length === 0) this.#info.textContent = HELP;
    const lastMs = this.#pieces.at(-1)?.atMs;
    const gap = lastMs === undefined ? "" : `, ${milliseconds(atMs - lastMs)} after the last`;
    const words = `token ${this.#pieces.length + 1} at ${milliseconds(atMs)}${gap}`;
    const element = h("span.token", [text], { attributes: { title: words } });
    this.#pieces.push({ element, atMs, words });
    this.#text.append(element);
  }

  /** Says of each piece what made it. */
  explain({ tokens }: AnswerTimings): void {
    let number = 1;
    let lastMs: number | undefined;
    tokensOfPieces(tokens, this.piecesMs).forEach((made, index) => {
      const piece = this.#pieces[index];
      const [first] = made;
      if (piece === undefined || first === undefined) return;
      const last = made.at(-1) ?? first;
      const gap = lastMs === undefined
        ? ""
        : `, ${milliseconds(first.offsetMs - lastMs)} after the last`;
      piece.words =
        `${tokenNumbers(number, made.length)} at ${milliseconds(first.offsetMs)}${gap}` +
        `${makerWords(first, last)}; on this page at ${milliseconds(piece.atMs)}`;
      piece.element.title = piece.words;
      number += made.length;
      lastMs = last.offsetMs;
    });
  }

  #onPointer({ target }: Event): void {
    const index = this.#pieces.findIndex(({ element }) => element === target);
    if (index >= 0) this.#select(index);
  }

  #onKey(event: KeyboardEvent): void {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0 || this.#pieces.length === 0) return;
    event.preventDefault();
    this.#select(Math.min(Math.max(this.#selected + step, 0), this.#pieces.length - 1));
  }

  #select(index: number): void {
    this.#pieces[this.#selected]?.element.classList.remove("selected");
    this.#selected = index;
    const piece = this.#pieces[index];
    piece?.element.classList.add("selected");
    this.#info.textContent = piece?.words ?? HELP;
  }
}

function tokenNumbers(first: number, count: number): string {
  return count === 1 ? `token ${first}` : `tokens ${first} to ${first + count - 1}`;
}

/** `, step 90 of decode 2681a704`. */
function makerWords(first: TokenTiming, last: TokenTiming): string {
  const steps = first.step === last.step
    ? `step ${first.step}`
    : `steps ${first.step} to ${last.step}`;
  return Number.isNaN(first.step) ? "" : `, ${steps} of ${last.worker || "its worker"}`;
}

function milliseconds(ms: number): string {
  return formatDuration(ms * 1000);
}
