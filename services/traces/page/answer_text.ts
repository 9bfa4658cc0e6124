/** The text of an answer, whose pieces tell when they came and what made them: by pointer or arrow keys. */

import { formatDuration } from "../../../shared/trace_view/format.ts";
import type { TokenTiming } from "./answer_timings.ts";
import { h } from "./dom.ts";

const HELP = "Point at a token, or go through them with the arrow keys, to see its time.";

interface Piece {
  readonly element: HTMLElement;
  /** Since the click. */
  readonly atMs: number;
  readonly words: string;
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
  /** Those that came without text. */
  #heldTokens: readonly TokenTiming[] = [];
  /** Somebody tells which tokens a piece came with. */
  #isTold = false;
  #tokenCount = 0;
  #lastTokenMs: number | null = null;
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

  /** Tokens of the pieces; as many as those where nobody tells of tokens. */
  get tokenCount(): number {
    return this.#tokenCount + this.#heldTokens.length;
  }

  /** Takes the next piece of the text, with the tokens that it came with where they are told. */
  add(text: string, atMs: number, tokens: readonly TokenTiming[]): void {
    const made = [...this.#heldTokens, ...tokens];
    this.#isTold ||= made.length > 0;
    this.#heldTokens = text === "" ? made : [];
    if (text === "") return;
    if (this.#pieces.length === 0) this.#info.textContent = HELP;
    const words = this.#words(made, atMs);
    const element = h("span.token", [text], { attributes: { title: words } });
    this.#pieces.push({ element, atMs, words });
    this.#text.append(element);
  }

  /** By the frontend's clock where it tells, and what made them. */
  #words(made: readonly TokenTiming[], atMs: number): string {
    const [first] = made;
    const last = made.at(-1);
    const onPage = `on this page at ${milliseconds(atMs)}`;
    if (first === undefined || last === undefined) {
      if (this.#isTold) return `the rest of token ${this.#tokenCount}, ${onPage}`;
      return this.#count(1, { firstMs: atMs, lastMs: atMs });
    }
    const counted = this.#count(made.length, { firstMs: first.offsetMs, lastMs: last.offsetMs });
    return `${counted}${makerWords(first, last)}; ${onPage}`;
  }

  #count(tokens: number, { firstMs, lastMs }: { firstMs: number; lastMs: number }): string {
    const beforeMs = this.#lastTokenMs;
    const number = this.#tokenCount + 1;
    this.#tokenCount += tokens;
    this.#lastTokenMs = lastMs;
    const gap = beforeMs === null ? "" : `, ${milliseconds(firstMs - beforeMs)} after the last`;
    return `${tokenNumbers(number, this.#tokenCount)} at ${milliseconds(firstMs)}${gap}`;
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

function tokenNumbers(first: number, last: number): string {
  return first === last ? `token ${first}` : `tokens ${first} to ${last}`;
}

/** `, step 90 of decode 2681a704`. */
function makerWords(first: TokenTiming, last: TokenTiming): string {
  if (Number.isNaN(first.step)) return "";
  const worker = (token: TokenTiming) => token.worker || "its worker";
  if (first.worker !== last.worker) {
    return `, step ${first.step} of ${worker(first)} to step ${last.step} of ${worker(last)}`;
  }
  const steps = first.step === last.step
    ? `step ${first.step}`
    : `steps ${first.step} to ${last.step}`;
  return `, ${steps} of ${worker(last)}`;
}

function milliseconds(ms: number): string {
  return formatDuration(ms * 1000);
}
