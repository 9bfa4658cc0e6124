/**
 * Pre-tokenizers of byte-level BPE models: how text is cut into words before merging.
 *
 * Each is a list of expressions applied in turn: every match of one is a word, and so is what lies
 * between matches; the next expression cuts those further. Names are GGUF's `tokenizer.ggml.pre`.
 * `\s` is spelled as the property White_Space, which it is not in JavaScript (U+0085 and U+FEFF).
 */

import { TokenizerError } from "./errors.ts";

export interface PreTokenizer {
  readonly expressions: readonly RegExp[];
  /** A word that is itself a token becomes that token without looking at the merges. */
  readonly ignoresMerges: boolean;
  /** Applied to text between special tokens before it is cut. */
  readonly normalization?: "NFC";
}

const SPACE = String.raw`\p{White_Space}`;
const NOT_SPACE = String.raw`\P{White_Space}`;
const LETTERS_OR_DIGITS = String.raw`\p{L}\p{N}`;

/** GPT-2's `encoder.py`. */
const GPT2 = expression([
  "'s|'t|'re|'ve|'m|'ll|'d",
  String.raw` ?\p{L}+`,
  String.raw` ?\p{N}+`,
  ` ?[^${SPACE}${LETTERS_OR_DIGITS}]+`,
  `${SPACE}+(?!${NOT_SPACE})`,
  `${SPACE}+`,
]);

/** The cl100k family; `digits` says how digits are grouped. */
function cl100k(digits: string): RegExp {
  return expression([
    // Case-insensitive, which lets the long s stand for an s.
    "'[sSſ]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]",
    String.raw`[^\r\n${LETTERS_OR_DIGITS}]?\p{L}+`,
    digits,
    ` ?[^${SPACE}${LETTERS_OR_DIGITS}]+[\\r\\n]*`,
    `${SPACE}*[\\r\\n]+`,
    `${SPACE}+(?!${NOT_SPACE})`,
    `${SPACE}+`,
  ]);
}

const PLAIN_GPT2: PreTokenizer = { expressions: [GPT2], ignoresMerges: false };
const SINGLE_DIGITS_GPT2: PreTokenizer = {
  expressions: [expression([String.raw`\p{N}`]), GPT2],
  ignoresMerges: false,
};
const LLAMA3: PreTokenizer = {
  expressions: [cl100k(String.raw`\p{N}{1,3}`)],
  ignoresMerges: true,
};

const PRE_TOKENIZERS: ReadonlyMap<string, PreTokenizer> = new Map([
  ["gpt-2", PLAIN_GPT2],
  ["smollm", SINGLE_DIGITS_GPT2],
  ["starcoder", SINGLE_DIGITS_GPT2],
  ["refact", SINGLE_DIGITS_GPT2],
  ["llama-bpe", LLAMA3],
  ["llama3", LLAMA3],
  ["llama-v3", LLAMA3],
  ["qwen2", {
    expressions: [cl100k(String.raw`\p{N}`)],
    ignoresMerges: false,
    normalization: "NFC",
  }],
  ["default", {
    expressions: [
      expression([String.raw`[\p{P}$+<=>^~|]+`]),
      GPT2,
      expression([String.raw`\p{N}+`]),
      expression(["[0-9][0-9][0-9]"]),
    ],
    ignoresMerges: false,
  }],
]);

/** The pre-tokenizer with this GGUF name. Throws a TokenizerError for one that is not known. */
export function preTokenizerNamed(name: string): PreTokenizer {
  const preTokenizer = PRE_TOKENIZERS.get(name);
  if (preTokenizer === undefined) {
    throw new TokenizerError(
      `Cannot tokenize for the pre-tokenizer "${name}": ` +
        `supported are ${[...PRE_TOKENIZERS.keys()].join(", ")}`,
    );
  }
  return preTokenizer;
}

/** Cuts text into words; together they are the text. */
export function splitWords(text: string, { expressions }: PreTokenizer): string[] {
  return expressions.reduce(
    (words, expression) => words.flatMap((word) => cut(word, expression)),
    [text],
  );
}

function cut(text: string, expression: RegExp): string[] {
  const pieces: string[] = [];
  let end = 0;
  for (const match of text.matchAll(expression)) {
    if (match.index > end) pieces.push(text.slice(end, match.index));
    end = match.index + match[0].length;
    pieces.push(match[0]);
  }
  if (end < text.length) pieces.push(text.slice(end));
  return pieces;
}

function expression(alternatives: readonly string[]): RegExp {
  return new RegExp(alternatives.join("|"), "gu");
}
