import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { TokenizerError } from "./errors.ts";
import { tinyGpt2Data, tinyLlamaData } from "./testing/tiny_vocabularies.ts";
import { createTokenizer } from "./tokenizer.ts";

const PLAIN = { addSpecial: false, parseSpecial: false };
const PARSED = { addSpecial: false, parseSpecial: true };

Deno.test("Tokenizer for llama puts a space before text and merges by score", () => {
  const tokenizer = createTokenizer(tinyLlamaData());
  // ab (-263) is better than bc (-264); then ▁a is gone, since the a is in ab; abc (-265) is made.
  assertEquals(tokenizer.encode("abc", PLAIN), [259, 265]);
  assertEquals(tokenizer.encode("bc", PLAIN), [259, 264]);
  assertEquals(tokenizer.encode("a", PLAIN), [266]);
  assertEquals(tokenizer.encode(" a", PLAIN), [259, 266]);
  assertEquals(tokenizer.encode("a  b", PLAIN), [266, 267, 261]);
});

Deno.test("Tokenizer for llama merges the leftmost of equal pairs first", () => {
  const tokenizer = createTokenizer(tinyLlamaData({ addSpacePrefix: false }));
  assertEquals(tokenizer.encode("   ", PLAIN), [267, 259]);
});

Deno.test("Tokenizer for llama spells unknown characters by their bytes", () => {
  const tokenizer = createTokenizer(tinyLlamaData({ addSpacePrefix: false }));
  assertEquals(tokenizer.encode("aé\n", PLAIN), [260, 3 + 0xc3, 3 + 0xa9, 3 + 0x0a]);
  assertEquals(tokenizer.encode("😀", PLAIN), [0xf0, 0x9f, 0x98, 0x80].map((byte) => 3 + byte));
});

Deno.test("Tokenizer for llama uses the unknown token when there are no byte tokens", () => {
  const data = tinyLlamaData({ addSpacePrefix: false });
  const tokenizer = createTokenizer({ ...data, types: data.types.map((t) => (t === 6 ? 5 : t)) });
  assertEquals(tokenizer.encode("aéa", PLAIN), [260, 0, 260]);
});

Deno.test("Tokenizer never makes a control token out of merges", () => {
  const data = tinyLlamaData({ addSpacePrefix: false });
  const types = data.types.map((type, id) => (id === 265 ? 3 : type));
  const tokenizer = createTokenizer({ ...data, types });
  assertEquals(tokenizer.encode("abc", PLAIN), [263, 262]);
  assertEquals(tokenizer.encode("abc", PARSED), [265]);
});

Deno.test("Tokenizer adds the begin and end tokens that the model asks for, when told to", () => {
  const options = { addSpecial: true, parseSpecial: false };
  const both = createTokenizer(tinyLlamaData({ addEos: true }));
  assertEquals(both.encode("a", options), [1, 266, 2]);
  assertEquals(both.encode("", options), [1, 2]);
  assertEquals(both.encode("", PLAIN), []);
  const neither = createTokenizer(tinyGpt2Data());
  assertEquals(neither.encode("he", options), [257]);
});

Deno.test("Tokenizer reads control tokens in text only when told to, user-defined ones always", () => {
  const tokenizer = createTokenizer(tinyGpt2Data());
  assertEquals(tokenizer.encode("he<|end|><tool>he", PARSED), [257, 261, 262, 257]);
  const spelled = [..."<|end|>"].map((character) => character.charCodeAt(0));
  assertEquals(tokenizer.encode("<|end|><tool>", PLAIN), [...spelled, 262]);
});

Deno.test("Tokenizer for llama puts a space after each special token too", () => {
  const tokenizer = createTokenizer(tinyLlamaData());
  assertEquals(tokenizer.encode("a</s>a<hi>b", PARSED), [266, 2, 266, 268, 259, 261]);
});

Deno.test("Tokenizer for gpt2 merges in the order of the list, word by word", () => {
  const tokenizer = createTokenizer(tinyGpt2Data());
  assertEquals(tokenizer.encode("hell hell", PLAIN), [259, 260, 258]);
  assertEquals(tokenizer.encode("hhell", PLAIN), [0x68, 259]);
});

Deno.test("Tokenizer for gpt2 gives repeated words the same ids, cached or not", () => {
  const tokenizer = createTokenizer(tinyGpt2Data());
  const text = Array.from({ length: 40_000 }, (_, index) => ` hell${index % 20_000}`).join("");
  const ids = tokenizer.encode(text, PLAIN);
  assertEquals(tokenizer.decode(ids, { skipSpecial: false }), text);
  assertEquals(ids.slice(0, ids.length / 2), ids.slice(ids.length / 2));
});

Deno.test("Tokenizer for gpt2 takes a whole word that is a token, where the model's kind does so", () => {
  // "hello" is a token that no merge makes.
  const data = tinyGpt2Data();
  const changes = {
    tokens: [...data.tokens, "hello"],
    types: [...data.types, 1],
  };
  const byMerges = createTokenizer({ ...data, ...changes });
  const byWord = createTokenizer({ ...data, ...changes, pre: "llama-bpe" });
  assertEquals(byMerges.encode("hello", PLAIN).length, 2);
  assertEquals(byWord.encode("hello", PLAIN), [263]);
});

Deno.test("Tokenizer for gpt2 drops bytes that its vocabulary lacks before it merges", () => {
  const data = tinyGpt2Data();
  const lacks = new Set(new TextEncoder().encode("é"));
  const tokens = data.tokens.map((text, id) => (lacks.has(id) ? `none for ${id}` : text));
  const tokenizer = createTokenizer({ ...data, tokens });
  assertEquals(tokenizer.encode("hée", PLAIN), [257]);
});

Deno.test("Tokenizer.decode() takes the prefixed space away once and leaves later ones", () => {
  const tokenizer = createTokenizer(tinyLlamaData());
  for (const text of ["abc", " abc", "a  b", "", " ", "é a\n"]) {
    const ids = tokenizer.encode(text, { addSpecial: true, parseSpecial: false });
    assertEquals(tokenizer.decode(ids, { skipSpecial: true }), text);
  }
});

Deno.test("Tokenizer.decode() leaves special tokens out or in", () => {
  const tokenizer = createTokenizer(tinyGpt2Data());
  const ids = [257, 261, 262, 257];
  assertEquals(tokenizer.decode(ids, { skipSpecial: true }), "he<tool>he");
  assertEquals(tokenizer.decode(ids, { skipSpecial: false }), "he<|end|><tool>he");
});

Deno.test("Tokenizer.isSpecial() is true of control tokens and of all that end a generation", () => {
  const tokenizer = createTokenizer(tinyGpt2Data({ endOfGenerationIds: [256, 261] }));
  const special = Array.from({ length: tokenizer.vocabularySize }, (_, id) => id)
    .filter((id) => tokenizer.isSpecial(id));
  assertEquals(special, [256, 261]);
});

Deno.test("Tokenizer.tokenBytes() gives single bytes, spaces and an error for ids that are none", () => {
  const llama = createTokenizer(tinyLlamaData());
  assertEquals([...llama.tokenBytes(3 + 0xff)], [0xff]);
  assertEquals([...llama.tokenBytes(266)], [0x20, 0x61]);
  const gpt2 = createTokenizer(tinyGpt2Data());
  assertEquals([...gpt2.tokenBytes(260)], [0x20, 0x68, 0x65]);
  assertEquals([...gpt2.tokenBytes(0xff)], [0xff]);
  for (const id of [263, -1, 1.5]) {
    assertThrows(() => gpt2.tokenBytes(id), TokenizerError, `Cannot decode token ${id}`);
  }
});

Deno.test("Tokenizer.tokenText() is null for a part of a character and an error for ids that are none", () => {
  const llama = createTokenizer(tinyLlamaData());
  const gpt2 = createTokenizer(tinyGpt2Data());
  assertEquals([llama.tokenText(266), llama.tokenText(266)], [" a", " a"]);
  assertEquals([llama.tokenText(3 + 0xc3), gpt2.tokenText(0xff)], [null, null]);
  assertEquals(gpt2.tokenText(260), " he");
  for (const id of [-1, 0.5, 1e9]) {
    assertThrows(() => llama.tokenText(id), TokenizerError, `Cannot decode token ${id}`);
  }
});

Deno.test("createTokenizer() refuses data that does not fit together", () => {
  const cases = [
    { data: { ...tinyLlamaData(), types: [1] }, reason: "269 tokens have 1 types" },
    { data: { ...tinyLlamaData(), scores: [1] }, reason: "needs one score per token" },
    { data: { ...tinyGpt2Data(), merges: undefined }, reason: "it needs merges" },
    { data: { ...tinyGpt2Data(), merges: ["h x y"] }, reason: 'merge 0 "h x y"' },
    { data: { ...tinyGpt2Data(), merges: ["he"] }, reason: 'merge 0 "he"' },
    { data: { ...tinyGpt2Data(), pre: "tekken" }, reason: '"tekken": supported are gpt-2, smollm' },
  ];
  for (const { data, reason } of cases) {
    assertThrows(() => createTokenizer(data), TokenizerError, reason);
  }
});
