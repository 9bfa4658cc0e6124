/** Turns stretches of text without special tokens into ids. */
export interface TextTokenEncoder {
  /**
   * Appends the ids of `text` to `ids`. `isAfterSpecial`: the text stands at the very start or right
   * after a special token.
   */
  encode(text: string, ids: number[], options: { isAfterSpecial: boolean }): void;
}
