/**
 * Byte-level BPE (GPT-2 and its heirs): text is cut into words, a word into bytes, and bytes merge
 * in the order of the merge list.
 *
 * Some vocabularies lack tokens for bytes that valid text hardly ever has (control characters,
 * private planes); such a byte is dropped before merging, as Hugging Face's tokenizers do. The ids of recent words are cached, since text repeats them.
 */

import { BYTE_CHARACTERS, spellingOfBytes } from "./byte_alphabet.ts";
import { TokenizerError } from "./errors.ts";
import { PairTable } from "./pair_table.ts";
import { type PreTokenizer, preTokenizerNamed, splitWords } from "./pre_tokenizers.ts";
import { type MergeRules, Symbols } from "./symbol_merger.ts";
import type { TextTokenEncoder } from "./text_encoder.ts";
import type { TokenizerData } from "./tokenizer_data.ts";

const MAX_CACHED_WORDS = 16_384;
/** Longer words hardly ever come again. */
const MAX_CACHED_WORD_LENGTH = 64;

export class ByteBpe implements TextTokenEncoder {
  readonly #preTokenizer: PreTokenizer;
  readonly #idsByText: ReadonlyMap<string, number>;
  /** [256] Token of each byte, -1 where the vocabulary has none. */
  readonly #byteIds: Int32Array;
  /** From a pair of ids to the rank of its merge. */
  readonly #ranks: PairTable;
  /** [merges] The id that each merge gives. */
  readonly #mergedIds: Int32Array;
  readonly #rules: MergeRules;
  readonly #cache = new Map<string, readonly number[]>();
  readonly #utf8 = new TextEncoder();

  constructor(data: TokenizerData) {
    if (data.merges === undefined) {
      throw new TokenizerError("Cannot build a gpt2 tokenizer: it needs merges");
    }
    this.#preTokenizer = preTokenizerNamed(data.pre);
    const idsByText = new Map<string, number>();
    data.tokens.forEach((text, id) => idsByText.set(text, id));
    this.#idsByText = idsByText;
    this.#byteIds = Int32Array.from(BYTE_CHARACTERS, (text) => idsByText.get(text) ?? -1);
    this.#ranks = new PairTable(data.merges.length);
    this.#mergedIds = new Int32Array(data.merges.length);
    data.merges.forEach((merge, rank) => this.#addMerge(merge, { rank, tokens: data.tokens }));
    this.#rules = {
      find: ({ ids }, left, right) => this.#ranks.get(ids[left], ids[right]),
      priority: (rank) => rank,
      result: (rank) => this.#mergedIds[rank],
    };
  }

  encode(text: string, ids: number[]): void {
    const { normalization } = this.#preTokenizer;
    const normalized = normalization === undefined ? text : text.normalize(normalization);
    for (const word of splitWords(normalized, this.#preTokenizer)) {
      for (const id of this.#wordIds(word)) ids.push(id);
    }
  }

  #addMerge(merge: string, { rank, tokens }: { rank: number; tokens: readonly string[] }): void {
    // The first character may itself be a space in the vocabularies that allow it.
    const space = merge.indexOf(" ", 1);
    const first = merge.slice(0, space);
    const second = merge.slice(space + 1);
    const left = this.#idsByText.get(first);
    const right = this.#idsByText.get(second);
    // Vocabularies list what their merges give in the order of merges: a text that is there needs none made.
    const next = rank === 0 ? undefined : tokens[this.#mergedIds[rank - 1] + 1];
    const isNext = next?.length === merge.length - 1 && next.startsWith(first) &&
      next.endsWith(second);
    const merged = this.#idsByText.get(isNext ? next : first + second);
    if (space < 0 || left === undefined || right === undefined || merged === undefined) {
      throw new TokenizerError(
        `Cannot build a gpt2 tokenizer: merge ${rank} "${merge}" is not made of known tokens`,
      );
    }
    this.#mergedIds[rank] = merged;
    this.#ranks.add(left, right, rank);
  }

  #wordIds(word: string): readonly number[] {
    const cached = this.#cache.get(word);
    if (cached !== undefined) return cached;
    const ids = this.#mergeWord(this.#utf8.encode(word));
    if (word.length <= MAX_CACHED_WORD_LENGTH) this.#remember(word, ids);
    return ids;
  }

  #mergeWord(bytes: Uint8Array): number[] {
    if (this.#preTokenizer.ignoresMerges) {
      const id = this.#idsByText.get(spellingOfBytes(bytes));
      if (id !== undefined) return [id];
    }
    const byteIds = Int32Array.from(bytes, (byte) => this.#byteIds[byte]).filter((id) => id >= 0);
    const positions = byteIds.map((_, position) => position);
    const symbols = new Symbols(byteIds, positions, byteIds.length);
    symbols.merge(this.#rules);
    const ids: number[] = [];
    symbols.forEach((index) => ids.push(symbols.ids[index]));
    return ids;
  }

  #remember(word: string, ids: readonly number[]): void {
    if (this.#cache.size >= MAX_CACHED_WORDS) {
      // A map iterates in the order of insertion: this forgets the oldest word.
      for (const oldest of this.#cache.keys()) {
        this.#cache.delete(oldest);
        break;
      }
    }
    this.#cache.set(word, ids);
  }
}
