/**
 * SentencePiece's BPE: characters merge into the token of the highest score first. Spaces are
 * spelled "▁", and characters without a token fall back to the tokens of their UTF-8 bytes.
 *
 * Source: sentencepiece `bpe_model.cc`. Only normal and user-defined tokens can arise from text.
 */

import { TokenizerError } from "./errors.ts";
import { type MergeRules, Symbols } from "./symbol_merger.ts";
import type { TextTokenEncoder } from "./text_encoder.ts";
import { byteOfToken, TokenType } from "./token_type.ts";
import type { TokenizerData } from "./tokenizer_data.ts";

export class ScoreBpe implements TextTokenEncoder {
  readonly #idsByText = new Map<string, number>();
  readonly #scores: readonly number[];
  /** [256] Token of each byte; undefined where the vocabulary has none. */
  readonly #byteIds: (number | undefined)[] = new Array(256).fill(undefined);
  readonly #unknownId: number | undefined;
  readonly #addsSpacePrefix: boolean;
  readonly #utf8 = new TextEncoder();

  constructor(data: TokenizerData) {
    const { scores } = data;
    if (scores === undefined || scores.length !== data.tokens.length) {
      throw new TokenizerError("Cannot build a llama tokenizer: it needs one score per token");
    }
    this.#scores = scores;
    this.#unknownId = data.unknownTokenId;
    this.#addsSpacePrefix = data.addSpacePrefix;
    data.tokens.forEach((text, id) => {
      const type = data.types[id];
      if (type === TokenType.byte) {
        const byte = byteOfToken(text);
        if (byte !== undefined) this.#byteIds[byte] = id;
      } else if (type === TokenType.normal || type === TokenType.userDefined) {
        this.#idsByText.set(text, id);
      }
    });
  }

  encode(text: string, ids: number[], { isAfterSpecial }: { isAfterSpecial: boolean }): void {
    const prefix = this.#addsSpacePrefix && isAfterSpecial ? "▁" : "";
    const spelled = prefix + text.replaceAll(" ", "▁");
    const symbols = this.#charactersOf(spelled);
    symbols.merge(this.#rulesFor(spelled));
    symbols.forEach((index) => {
      if (symbols.ids[index] >= 0) ids.push(symbols.ids[index]);
      else this.#fallBack(spelled.slice(symbols.starts[index], symbols.ends[index]), ids);
    });
  }

  #charactersOf(text: string): Symbols {
    const starts: number[] = [];
    const ids: number[] = [];
    let at = 0;
    for (const character of text) {
      starts.push(at);
      ids.push(this.#idsByText.get(character) ?? -1);
      at += character.length;
    }
    return new Symbols(Int32Array.from(ids), Int32Array.from(starts), text.length);
  }

  #rulesFor(text: string): MergeRules {
    return {
      find: (symbols, left, right) =>
        this.#idsByText.get(text.slice(symbols.starts[left], symbols.ends[right])) ?? -1,
      priority: (id) => -this.#scores[id],
      result: (id) => id,
    };
  }

  /** Spells a character by its bytes, or as the unknown token where those have no tokens. */
  #fallBack(character: string, ids: number[]): void {
    const byteIds = Array.from(this.#utf8.encode(character), (byte) => this.#byteIds[byte]);
    if (byteIds.every((id) => id !== undefined)) ids.push(...byteIds);
    else if (this.#unknownId !== undefined) ids.push(this.#unknownId);
  }
}
