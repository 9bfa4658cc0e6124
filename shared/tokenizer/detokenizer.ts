/**
 * Turns a stream of ids into text that is right at every moment: a character whose bytes are spread
 * over tokens comes out when its last byte is in, never as U+FFFD pieces.
 */

import type { DecodeOptions, Tokenizer } from "./tokenizer.ts";

export interface Detokenizer {
  /** The text that this id completes; empty while a character is unfinished. */
  push(id: number): string;
  /** Ends the stream: bytes that never became a character come out as U+FFFD. */
  flush(): string;
}

export interface DetokenizerOptions extends DecodeOptions {
  /**
   * The ids go on a text that came before (a completion after its prompt): the first token's space
   * is a real one and stays. Default: false, the ids are a whole text.
   */
  readonly isContinuation?: boolean;
}

const SPACE = 0x20;

/** Starts a text. One detokenizer serves one sequence of ids. */
export function createDetokenizer(
  tokenizer: Tokenizer,
  { skipSpecial, isContinuation = false }: DetokenizerOptions,
): Detokenizer {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  /** No character is unfinished: a token of whole characters needs no decoder. */
  let isWhole = true;
  let stripsSpace = tokenizer.addsSpacePrefix && !isContinuation;
  return {
    push(id) {
      if (skipSpecial && tokenizer.isSpecial(id)) return "";
      const text = tokenizer.tokenText(id);
      if (text === "" || (text !== null && isWhole && !stripsSpace)) return text;
      isWhole = text !== null;
      let bytes = tokenizer.tokenBytes(id);
      if (stripsSpace && bytes[0] === SPACE) bytes = bytes.subarray(1);
      stripsSpace = false;
      return decoder.decode(bytes, { stream: true });
    },
    flush() {
      return decoder.decode();
    },
  };
}
