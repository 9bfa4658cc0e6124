/**
 * A tokenizer as data: what GGUF metadata holds of it, and what a model card carries to frontends.
 *
 * Keys follow GGUF's `tokenizer.ggml.*`.
 */
export interface TokenizerData {
  /** `llama` is SentencePiece-style BPE by scores; `gpt2` is byte-level BPE by merges. */
  readonly model: "llama" | "gpt2";
  /** Pre-tokenizer of `gpt2` models, GGUF's `tokenizer.ggml.pre`. */
  readonly pre: string;
  readonly tokens: readonly string[];
  /** `llama` only. [tokens] */
  readonly scores?: readonly number[];
  /** GGUF token types: 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte. [tokens] */
  readonly types: readonly number[];
  /** `gpt2` only: `"left right"` in order of rank. */
  readonly merges?: readonly string[];
  readonly bosTokenId?: number;
  readonly eosTokenId?: number;
  readonly unknownTokenId?: number;
  readonly paddingTokenId?: number;
  readonly addBos: boolean;
  readonly addEos: boolean;
  readonly addSpacePrefix: boolean;
  /** Every id that ends a generation (EOS, end of turn, end of text). */
  readonly endOfGenerationIds: readonly number[];
}
