import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { TokenizerError } from "./errors.ts";
import { chatTemplateFromGguf, tokenizerDataFromGguf } from "./gguf_tokenizer.ts";

type Entries = Record<string, unknown>;

function metadata(entries: Entries): Map<string, unknown> {
  return new Map(
    Object.entries(entries).map(([key, value]) => [`tokenizer.ggml.${key}`, value]),
  );
}

const LLAMA: Entries = {
  model: "llama",
  tokens: ["<unk>", "<s>", "</s>", "a"],
  scores: [0, 0, 0, -1],
  token_type: [2, 3, 3, 1],
  bos_token_id: 1,
  eos_token_id: 2,
  unknown_token_id: 0,
};

const GPT2: Entries = {
  model: "gpt2",
  pre: "smollm",
  tokens: ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "x", "<reponame>", "y", "xy"],
  merges: ["x y"],
  token_type: [3, 3, 3, 1, 3, 1, 1],
  bos_token_id: 1,
  eos_token_id: 2,
  padding_token_id: 2,
};

Deno.test("tokenizerDataFromGguf() reads a SentencePiece tokenizer with its defaults", () => {
  assertEquals(tokenizerDataFromGguf(metadata(LLAMA)), {
    model: "llama",
    pre: "default",
    tokens: ["<unk>", "<s>", "</s>", "a"],
    types: [2, 3, 3, 1],
    scores: [0, 0, 0, -1],
    bosTokenId: 1,
    eosTokenId: 2,
    unknownTokenId: 0,
    addBos: true,
    addEos: false,
    addSpacePrefix: true,
    endOfGenerationIds: [2],
  });
});

Deno.test("tokenizerDataFromGguf() reads a byte-level tokenizer with its defaults", () => {
  assertEquals(tokenizerDataFromGguf(metadata(GPT2)), {
    model: "gpt2",
    pre: "smollm",
    tokens: ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "x", "<reponame>", "y", "xy"],
    types: [3, 3, 3, 1, 3, 1, 1],
    merges: ["x y"],
    bosTokenId: 1,
    eosTokenId: 2,
    paddingTokenId: 2,
    addBos: false,
    addEos: false,
    addSpacePrefix: false,
    endOfGenerationIds: [0, 2, 4],
  });
});

Deno.test("tokenizerDataFromGguf() takes what the file says over defaults", () => {
  const data = tokenizerDataFromGguf(
    metadata({ ...LLAMA, add_bos_token: false, add_eos_token: true, add_space_prefix: false }),
  );
  assertEquals([data.addBos, data.addEos, data.addSpacePrefix], [false, true, false]);
  assertEquals(tokenizerDataFromGguf(metadata({ ...GPT2, pre: "llama-bpe" })).addBos, true);
});

Deno.test("tokenizerDataFromGguf() takes every token as normal when there are no types", () => {
  const { token_type: _, ...untyped } = GPT2;
  assertEquals(tokenizerDataFromGguf(metadata(untyped)).types, [1, 1, 1, 1, 1, 1, 1]);
});

Deno.test("tokenizerDataFromGguf() ends generations at ids that metadata names and texts it knows", () => {
  const ends = (entries: Entries) => tokenizerDataFromGguf(metadata(entries)).endOfGenerationIds;
  assertEquals(ends({ ...GPT2, eot_token_id: 3 }), [0, 2, 3, 4]);
  const harmony = ["<|return|>", "<|end|>", "<|call|>"];
  const plain = { model: "gpt2", merges: [] };
  assertEquals(ends({ ...plain, tokens: harmony }), [0, 2]);
  assertEquals(ends({ ...plain, tokens: ["a", "<|end|>"] }), [1]);
});

Deno.test("tokenizerDataFromGguf() names the key at fault", () => {
  const cases: { entries: Entries; reason: string }[] = [
    { entries: { ...LLAMA, model: "bert" }, reason: 'its model is "bert"' },
    { entries: { ...LLAMA, model: undefined }, reason: '"tokenizer.ggml.model" is missing' },
    { entries: { ...LLAMA, tokens: undefined }, reason: '"tokenizer.ggml.tokens" is missing' },
    { entries: { ...LLAMA, tokens: ["a", 1, "b", "c"] }, reason: '"tokenizer.ggml.tokens"' },
    { entries: { ...LLAMA, scores: [1] }, reason: "scores has 1 entries for 4 tokens" },
    { entries: { ...LLAMA, token_type: [1] }, reason: "token_type has 1 entries for 4 tokens" },
    { entries: { ...GPT2, merges: undefined }, reason: '"tokenizer.ggml.merges" is missing' },
    { entries: { ...LLAMA, bos_token_id: 4 }, reason: "bos_token_id is 4, an id below 4" },
    { entries: { ...LLAMA, eos_token_id: -1 }, reason: "eos_token_id is -1" },
    { entries: { ...LLAMA, add_bos_token: 1 }, reason: '"tokenizer.ggml.add_bos_token"' },
  ];
  for (const { entries, reason } of cases) {
    assertThrows(() => tokenizerDataFromGguf(metadata(entries)), TokenizerError, reason);
  }
});

Deno.test("tokenizerDataFromGguf() refuses a pre-tokenizer that no text could be split by", () => {
  assertThrows(
    () => tokenizerDataFromGguf(metadata({ ...GPT2, pre: "tekken" })),
    TokenizerError,
    'Cannot tokenize for the pre-tokenizer "tekken": supported are gpt-2, smollm',
  );
});

Deno.test("chatTemplateFromGguf() gives the template's source, or nothing", () => {
  const source = "{{ messages }}";
  assertEquals(chatTemplateFromGguf(new Map([["tokenizer.chat_template", source]])), source);
  assertEquals(chatTemplateFromGguf(new Map([["tokenizer.chat_template", ""]])), undefined);
  assertEquals(chatTemplateFromGguf(new Map()), undefined);
});
