/** A tokenizer made from its data: text to ids, ids to text. */

import { bytesOfSpelling } from "./byte_alphabet.ts";
import { ByteBpe } from "./byte_bpe.ts";
import { createDetokenizer } from "./detokenizer.ts";
import { TokenizerError } from "./errors.ts";
import { ScoreBpe } from "./score_bpe.ts";
import { SpecialTokenSplitter } from "./special_token_splitter.ts";
import type { TextTokenEncoder } from "./text_encoder.ts";
import { byteOfToken, TokenType } from "./token_type.ts";
import type { TokenizerData } from "./tokenizer_data.ts";

export interface EncodeOptions {
  /** Adds the begin and end tokens that the model asks for. */
  readonly addSpecial: boolean;
  /** Reads `<|im_end|>` and its like as the control tokens they name. False for untrusted text. */
  readonly parseSpecial: boolean;
}

export interface DecodeOptions {
  /** Leaves out control tokens and tokens that end a generation. */
  readonly skipSpecial: boolean;
}

export interface Tokenizer {
  readonly vocabularySize: number;
  readonly bosTokenId: number | undefined;
  readonly eosTokenId: number | undefined;
  readonly endOfGenerationIds: readonly number[];
  /** Whether encoding puts a space before text, which decoding takes away again. */
  readonly addsSpacePrefix: boolean;
  encode(text: string, options: EncodeOptions): number[];
  /** Text of ids; broken UTF-8 becomes U+FFFD. Throws a TokenizerError for an unknown id. */
  decode(ids: Iterable<number>, options: DecodeOptions): string;
  /** The bytes that a token stands for, special or not. Throws a TokenizerError for an unknown id. */
  tokenBytes(id: number): Uint8Array;
  /** The text of a token that is whole characters, else null. Throws as `tokenBytes` does. */
  tokenText(id: number): string | null;
  /** Whether an id is a control token or ends a generation: not part of a model's text. */
  isSpecial(id: number): boolean;
}

const STRICT_DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Builds a tokenizer. Throws a TokenizerError that says what in the data is wrong. */
export function createTokenizer(data: TokenizerData): Tokenizer {
  if (data.types.length !== data.tokens.length) {
    throw new TokenizerError(
      `Cannot build a tokenizer: ${data.tokens.length} tokens have ${data.types.length} types`,
    );
  }
  return new VocabularyTokenizer(data);
}

class VocabularyTokenizer implements Tokenizer {
  readonly endOfGenerationIds: readonly number[];
  readonly addsSpacePrefix: boolean;
  readonly #data: TokenizerData;
  readonly #encoder: TextTokenEncoder;
  /** By id, as far as they were asked for. */
  readonly #texts: (string | null | undefined)[] = [];
  readonly #specialIds: ReadonlySet<number>;
  /** Splits at every special token, and at user-defined ones only. */
  readonly #everySplitter: SpecialTokenSplitter;
  readonly #userSplitter: SpecialTokenSplitter;

  constructor(data: TokenizerData) {
    this.#data = data;
    this.endOfGenerationIds = data.endOfGenerationIds;
    this.addsSpacePrefix = data.addSpacePrefix;
    this.#encoder = data.model === "llama" ? new ScoreBpe(data) : new ByteBpe(data);
    const ids = data.tokens.map((_, id) => id);
    const specialIds = ids.filter((id) => isSpecialType(data.types[id]));
    this.#specialIds = new Set([...specialIds, ...data.endOfGenerationIds]);
    const userIds = ids.filter((id) => data.types[id] === TokenType.userDefined);
    this.#userSplitter = splitterOf(data, userIds.filter((id) => !this.#specialIds.has(id)));
    this.#everySplitter = splitterOf(data, [...this.#specialIds, ...userIds]);
  }

  get vocabularySize(): number {
    return this.#data.tokens.length;
  }

  get bosTokenId(): number | undefined {
    return this.#data.bosTokenId;
  }

  get eosTokenId(): number | undefined {
    return this.#data.eosTokenId;
  }

  encode(text: string, { addSpecial, parseSpecial }: EncodeOptions): number[] {
    const { addBos, bosTokenId, addEos, eosTokenId } = this.#data;
    const ids: number[] = [];
    if (addSpecial && addBos && bosTokenId !== undefined) ids.push(bosTokenId);
    let isAfterSpecial = true;
    for (const part of (parseSpecial ? this.#everySplitter : this.#userSplitter).split(text)) {
      if (typeof part === "number") ids.push(part);
      else this.#encoder.encode(part, ids, { isAfterSpecial });
      isAfterSpecial = typeof part === "number";
    }
    if (addSpecial && addEos && eosTokenId !== undefined) ids.push(eosTokenId);
    return ids;
  }

  decode(ids: Iterable<number>, options: DecodeOptions): string {
    const detokenizer = createDetokenizer(this, options);
    let text = "";
    for (const id of ids) text += detokenizer.push(id);
    return text + detokenizer.flush();
  }

  tokenText(id: number): string | null {
    let text = this.#texts[id];
    if (text === undefined) {
      text = wholeText(this.tokenBytes(id));
      this.#texts[id] = text;
    }
    return text;
  }

  tokenBytes(id: number): Uint8Array {
    const text = this.#data.tokens[id];
    if (text === undefined) {
      throw new TokenizerError(
        `Cannot decode token ${id}: the vocabulary has ${this.vocabularySize} tokens`,
      );
    }
    const type = this.#data.types[id];
    if (type === TokenType.byte) {
      const byte = byteOfToken(text);
      if (byte !== undefined) return Uint8Array.of(byte);
    }
    if (this.#specialIds.has(id) || type === TokenType.userDefined) {
      return new TextEncoder().encode(text);
    }
    return this.#data.model === "llama"
      ? new TextEncoder().encode(text.replaceAll("▁", " "))
      : bytesOfSpelling(text);
  }

  isSpecial(id: number): boolean {
    return this.#specialIds.has(id);
  }
}

function isSpecialType(type: number): boolean {
  return type === TokenType.control || type === TokenType.unknown;
}

function splitterOf(data: TokenizerData, ids: readonly number[]): SpecialTokenSplitter {
  return new SpecialTokenSplitter(ids.map((id) => ({ text: data.tokens[id], id })));
}

/** Null where the bytes are not whole characters. */
function wholeText(bytes: Uint8Array): string | null {
  try {
    return STRICT_DECODER.decode(bytes);
  } catch {
    return null;
  }
}
