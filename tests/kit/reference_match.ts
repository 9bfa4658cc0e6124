/**
 * Compares a text with the reference's tokens where the text is all there is to see.
 *
 * Where the reference's own choice hangs on less than devices round, another token is admissible
 * (tests/gpu/admissible_tokens.ts), and the text then goes its own way from there.
 */

import type { Tokenizer } from "../../shared/tokenizer/mod.ts";
import type { ReferenceText } from "../gpu/reference_text.ts";

/** Where a text left the reference. */
export interface Divergence {
  /** Of the reference's token that the text does not have. */
  readonly index: number;
  /** What the text has there instead. */
  readonly token: number;
}

/**
 * Null when `text` is the reference's from token `from` on; else the admissible token with which it
 * left it. Throws when no admissible token explains the difference.
 */
export function findDivergence(
  text: string,
  { reference, tokenizer, from }: {
    readonly reference: ReferenceText;
    readonly tokenizer: Tokenizer;
    readonly from: number;
  },
): Divergence | null {
  const { tokens, admissible } = reference;
  const textOf = (ids: readonly number[]) => tokenizer.decode(ids, { skipSpecial: true });
  const expected = textOf(tokens.slice(from));
  if (text === expected) return null;
  for (let index = from; index < tokens.length; index++) {
    const before = tokens.slice(from, index);
    if (!text.startsWith(textOf(before))) break;
    for (const token of admissible[index] ?? []) {
      if (token === tokens[index]) continue;
      const isEnd = tokenizer.isSpecial(token);
      const other = textOf([...before, token]);
      if (isEnd ? text === other : text.startsWith(other)) return { index, token };
    }
  }
  throw new Error(
    `The text is not the reference's:\n${JSON.stringify(text)}\n${JSON.stringify(expected)}`,
  );
}
