/** Small tokenizers of both kinds whose every id can be worked out by hand. */

import { BYTE_CHARACTERS } from "../byte_alphabet.ts";
import type { TokenizerData } from "../tokenizer_data.ts";

/**
 * SentencePiece-style. 0-2 are `<unk>`, `<s>`, `</s>`; 3-258 the bytes; then, each of a lower score:
 * 259 ▁, 260 a, 261 b, 262 c, 263 ab, 264 bc, 265 abc, 266 ▁a, 267 ▁▁; 268 is user-defined `<hi>`.
 */
export function tinyLlamaData(changes: Partial<TokenizerData> = {}): TokenizerData {
  const bytes = Array.from({ length: 256 }, (_, byte) => byteToken(byte));
  const pieces = ["▁", "a", "b", "c", "ab", "bc", "abc", "▁a", "▁▁"];
  const tokens = ["<unk>", "<s>", "</s>", ...bytes, ...pieces, "<hi>"];
  return {
    model: "llama",
    pre: "default",
    tokens,
    scores: tokens.map((_, id) => (id < 259 ? 0 : -id)),
    types: [2, 3, 3, ...bytes.map(() => 6), ...pieces.map(() => 1), 4],
    bosTokenId: 1,
    eosTokenId: 2,
    unknownTokenId: 0,
    addBos: true,
    addEos: false,
    addSpacePrefix: true,
    endOfGenerationIds: [2],
    ...changes,
  };
}

/**
 * Byte-level. 0-255 are the bytes; then the merges in order: 256 Ġh, 257 he, 258 ll, 259 hell,
 * 260 Ġhe; 261 `<|end|>` is a control token, 262 `<tool>` is user-defined.
 */
export function tinyGpt2Data(changes: Partial<TokenizerData> = {}): TokenizerData {
  const merges = ["Ġ h", "h e", "l l", "he ll", "Ġh e"];
  const merged = merges.map((merge) => merge.replace(" ", ""));
  return {
    model: "gpt2",
    pre: "gpt-2",
    tokens: [...BYTE_CHARACTERS, ...merged, "<|end|>", "<tool>"],
    merges,
    types: [...BYTE_CHARACTERS.map(() => 1), ...merged.map(() => 1), 3, 4],
    bosTokenId: 261,
    eosTokenId: 261,
    addBos: false,
    addEos: false,
    addSpacePrefix: false,
    endOfGenerationIds: [261],
    ...changes,
  };
}

function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}
