/**
 * Reads a tokenizer and a chat template out of GGUF metadata (`tokenizer.*`).
 *
 * What ends a generation is only partly in the metadata: many files name one end token and mean
 * several, so tokens with well-known texts count too, as they do in llama.cpp.
 */

import { TokenizerError } from "./errors.ts";
import { preTokenizerNamed } from "./pre_tokenizers.ts";
import type { TokenizerData } from "./tokenizer_data.ts";

type Metadata = ReadonlyMap<string, unknown>;

const END_ID_KEYS = ["eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep"]
  .map((role) => `tokenizer.ggml.${role}_token_id`);

const END_TEXTS: ReadonlySet<string> = new Set([
  "<|eot_id|>",
  "<|eom_id|>",
  "<|im_end|>",
  "<|end|>",
  "<|return|>",
  "<|call|>",
  "<|endoftext|>",
  "<|end_of_text|>",
  "<end_of_turn>",
  "<end_of_utterance>",
  "<EOT>",
  "_<EOT>",
  "[EOT]",
  "[EOS]",
  "</s>",
  "<｜end▁of▁sentence｜>",
  // Padding and separators of code completion: nothing after them belongs to the answer.
  "<|fim_pad|>",
  "<fim-pad>",
  "<fim_pad>",
  "<PAD>",
  "<|fim_repo|>",
  "<|repo_name|>",
  "<fim-repo>",
  "<REPO>",
  "<reponame>",
  "<|file_sep|>",
]);

/** The tokenizer in a GGUF file's metadata. Throws a TokenizerError that names the key at fault. */
export function tokenizerDataFromGguf(metadata: Metadata): TokenizerData {
  const model = stringAt(metadata, "tokenizer.ggml.model");
  if (model !== "llama" && model !== "gpt2") {
    throw new TokenizerError(
      `Cannot read the tokenizer: its model is "${model}", supported are llama and gpt2`,
    );
  }
  const isLlama = model === "llama";
  const pre = stringAt(metadata, "tokenizer.ggml.pre", "default");
  if (!isLlama) preTokenizerNamed(pre);
  const tokens = arrayAt(metadata, "tokenizer.ggml.tokens", isString);
  const length = tokens.length;
  const types = metadata.has("tokenizer.ggml.token_type")
    ? arrayAt(metadata, "tokenizer.ggml.token_type", isInteger, length)
    : tokens.map(() => 1);
  return {
    model,
    pre,
    tokens,
    types,
    ...(isLlama
      ? { scores: arrayAt(metadata, "tokenizer.ggml.scores", isNumber, length) }
      : { merges: arrayAt(metadata, "tokenizer.ggml.merges", isString) }),
    ...idField(metadata, { role: "bos", field: "bosTokenId", length }),
    ...idField(metadata, { role: "eos", field: "eosTokenId", length }),
    ...idField(metadata, { role: "unknown", field: "unknownTokenId", length }),
    ...idField(metadata, { role: "padding", field: "paddingTokenId", length }),
    addBos: booleanAt(metadata, "tokenizer.ggml.add_bos_token", isLlama || pre === "llama-bpe"),
    addEos: booleanAt(metadata, "tokenizer.ggml.add_eos_token", false),
    addSpacePrefix: booleanAt(metadata, "tokenizer.ggml.add_space_prefix", isLlama),
    endOfGenerationIds: endOfGenerationIds(metadata, tokens),
  };
}

/** The Jinja source of a model's chat template; undefined for base models. */
export function chatTemplateFromGguf(metadata: Metadata): string | undefined {
  const source = metadata.get("tokenizer.chat_template");
  return typeof source === "string" && source !== "" ? source : undefined;
}

function endOfGenerationIds(metadata: Metadata, tokens: readonly string[]): number[] {
  const ids = new Set<number>();
  for (const key of END_ID_KEYS) {
    const id = tokenIdAt(metadata, key, tokens.length);
    if (id !== undefined) ids.add(id);
  }
  const texts = new Set<string>();
  tokens.forEach((text, id) => {
    if (!END_TEXTS.has(text)) return;
    ids.add(id);
    texts.add(text);
  });
  // Harmony-style vocabularies end a message with <|end|> and go on.
  if (texts.has("<|return|>") && texts.has("<|call|>")) ids.delete(tokens.indexOf("<|end|>"));
  return [...ids].sort((a, b) => a - b);
}

type IdField = "bosTokenId" | "eosTokenId" | "unknownTokenId" | "paddingTokenId";

function idField(
  metadata: Metadata,
  { role, field, length }: { role: string; field: IdField; length: number },
): Partial<Record<IdField, number>> {
  const id = tokenIdAt(metadata, `tokenizer.ggml.${role}_token_id`, length);
  return id === undefined ? {} : { [field]: id };
}

function tokenIdAt(metadata: Metadata, key: string, tokenCount: number): number | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (!isInteger(value) || value < 0 || value >= tokenCount) {
    throw new TokenizerError(
      `Cannot read the tokenizer: ${key} is ${value}, an id below ${tokenCount} is needed`,
    );
  }
  return value;
}

function stringAt(metadata: Metadata, key: string, fallback?: string): string {
  const value = metadata.get(key) ?? fallback;
  if (typeof value !== "string") throw missing(key, "a string");
  return value;
}

function booleanAt(metadata: Metadata, key: string, fallback: boolean): boolean {
  const value = metadata.get(key) ?? fallback;
  if (typeof value !== "boolean") throw missing(key, "a boolean");
  return value;
}

function arrayAt<T>(
  metadata: Metadata,
  key: string,
  isElement: (value: unknown) => value is T,
  length?: number,
): T[] {
  const value = metadata.get(key);
  if (!Array.isArray(value) || !value.every(isElement)) throw missing(key, "an array");
  if (length !== undefined && value.length !== length) {
    throw new TokenizerError(
      `Cannot read the tokenizer: ${key} has ${value.length} entries for ${length} tokens`,
    );
  }
  return value;
}

function missing(key: string, wanted: string): TokenizerError {
  return new TokenizerError(
    `Cannot read the tokenizer: metadata key "${key}" is missing or not ${wanted} of its type`,
  );
}

function isString(value: unknown): value is string {
  return typeof value === "string";
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function isInteger(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value);
}
