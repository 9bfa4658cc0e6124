/** Tokens with one of lookahead, and the errors of what is not there. */

import { meaningError, parseError } from "./errors.ts";
import { type Token, tokenize } from "./lexer.ts";
import type { QueryError } from "./errors.ts";

/** Deeper nesting of parentheses would overflow the stack. */
const MAX_DEPTH = 100;

export class TokenStream {
  readonly source: string;
  readonly #tokens: readonly Token[];
  #index = 0;
  #depth = 0;

  /** Throws a QueryError where the source has no token. */
  constructor(source: string) {
    this.source = source;
    this.#tokens = tokenize(source);
  }

  get current(): Token {
    return this.#tokens[this.#index];
  }

  /** Where the last token that was taken ends. */
  get lastEnd(): number {
    return this.#tokens[this.#index - 1]?.end ?? 0;
  }

  take(): Token {
    const token = this.current;
    if (token.kind !== "end") this.#index++;
    return token;
  }

  /** Whether the current token is this operator or word. */
  is(text: string): boolean {
    const { current } = this;
    return (current.kind === "operator" || current.kind === "word") && current.text === text;
  }

  /** Takes the current token if it is this operator or word. */
  accept(text: string): boolean {
    if (!this.is(text)) return false;
    this.take();
    return true;
  }

  /** Takes this operator or word. Throws a QueryError where another token is. */
  expect(text: string): void {
    if (!this.accept(text)) throw this.unexpected();
  }

  unexpected(): QueryError {
    const { current } = this;
    return current.kind === "word" && !/^(by|with|select|coalesce)$/.test(current.text)
      ? parseError(this.source, current.at, `unknown identifier: ${current.text}`)
      : parseError(this.source, current.at, `syntax error: unexpected ${current.text}`);
  }

  unsupported(at: number, what: string): QueryError {
    return meaningError(this.source, at, `${what} is not supported`);
  }

  /** Runs `read` one level deeper. Throws a QueryError where that is too deep. */
  nested<T>(read: () => T): T {
    if (this.#depth >= MAX_DEPTH) {
      throw parseError(this.source, this.current.at, `nested deeper than ${MAX_DEPTH}`);
    }
    this.#depth++;
    const value = read();
    this.#depth--;
    return value;
  }
}
