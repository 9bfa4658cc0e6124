import { assertEquals } from "@std/assert/mod.js";
import { createDetokenizer, type DetokenizerOptions } from "./detokenizer.ts";
import { tinyGpt2Data, tinyLlamaData } from "./testing/tiny_vocabularies.ts";
import { createTokenizer, type Tokenizer } from "./tokenizer.ts";

const llama = createTokenizer(tinyLlamaData());
const gpt2 = createTokenizer(tinyGpt2Data());

/** What each push gives, and then what flush gives. */
function pieces(
  tokenizer: Tokenizer,
  ids: readonly number[],
  options: DetokenizerOptions = { skipSpecial: true },
): string[] {
  const detokenizer = createDetokenizer(tokenizer, options);
  return [...ids.map((id) => detokenizer.push(id)), detokenizer.flush()];
}

/** Ids of the bytes of a text. */
function byteIds(text: string): number[] {
  return [...new TextEncoder().encode(text)].map((byte) => 3 + byte);
}

Deno.test("Detokenizer holds a character until its last byte is in", () => {
  assertEquals(pieces(llama, byteIds("é😀")), ["", "é", "", "", "", "😀", ""]);
});

Deno.test("Detokenizer.flush() gives U+FFFD for a character that never became whole", () => {
  assertEquals(pieces(llama, [260, ...byteIds("😀").slice(0, 3)]), ["a", "", "", "", "\ufffd"]);
  assertEquals(pieces(llama, [260]), ["a", ""]);
});

Deno.test("Detokenizer gives U+FFFD at once for bytes that start no character", () => {
  assertEquals(pieces(llama, [3 + 0xff, 260]), ["\ufffd", "a", ""]);
  assertEquals(pieces(llama, [3 + 0xc3, 260]), ["", "\ufffda", ""]);
});

Deno.test("Detokenizer gives whole tokens at once again after a character that took several", () => {
  assertEquals(pieces(llama, [260, ...byteIds("é"), 260, 260]), ["a", "", "é", "a", "a", ""]);
  assertEquals(pieces(llama, [...byteIds("é").slice(0, 1), 266, 266]), ["", "\ufffd a", " a", ""]);
});

Deno.test("Detokenizer keeps a byte order mark", () => {
  assertEquals(pieces(llama, byteIds("\ufeff")).join(""), "\ufeff");
});

Deno.test("Detokenizer takes away the space of the first token that has text", () => {
  assertEquals(pieces(llama, [1, 266, 266]), ["", "a", " a", ""]);
  assertEquals(pieces(llama, [267, 260]), [" ", "a", ""]);
  assertEquals(pieces(llama, [260, 266]), ["a", " a", ""]);
  assertEquals(pieces(gpt2, [260]), [" he", ""]);
});

Deno.test("Detokenizer keeps the first space of a continuation", () => {
  assertEquals(pieces(llama, [266], { skipSpecial: true, isContinuation: true }), [" a", ""]);
});

Deno.test("Detokenizer shows special tokens when told to", () => {
  assertEquals(pieces(gpt2, [257, 261], { skipSpecial: false }), ["he", "<|end|>", ""]);
  assertEquals(pieces(gpt2, [257, 261], { skipSpecial: true }), ["he", "", ""]);
});

Deno.test("Detokenizer pushing ids one by one gives what decoding all of them gives", () => {
  const texts = ["", " ", "a b  c", "é😀\n", "</s>a<hi>", "\u0000\ufffd"];
  for (const tokenizer of [llama, gpt2]) {
    for (const text of texts) {
      for (const skipSpecial of [true, false]) {
        const ids = tokenizer.encode(text, { addSpecial: true, parseSpecial: true });
        const together = tokenizer.decode(ids, { skipSpecial });
        assertEquals(pieces(tokenizer, ids, { skipSpecial }).join(""), together);
      }
    }
  }
});
