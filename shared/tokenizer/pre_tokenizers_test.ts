import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { TokenizerError } from "./errors.ts";
import { preTokenizerNamed, splitWords } from "./pre_tokenizers.ts";

const CASES: { pre: string; text: string; words: string[] }[] = [
  { pre: "gpt-2", text: "Hello world  2024!", words: ["Hello", " world", " ", " 2024", "!"] },
  { pre: "gpt-2", text: "I'm it'S\n\n x", words: ["I", "'m", " it", "'", "S", "\n\n", " x"] },
  { pre: "gpt-2", text: "a\u0085\u0085b\ufeff", words: ["a", "\u0085", "\u0085", "b", "\ufeff"] },
  { pre: "smollm", text: "in 2024½", words: ["in", " ", "2", "0", "2", "4", "½"] },
  { pre: "llama-bpe", text: "x=12345;", words: ["x", "=", "123", "45", ";"] },
  {
    pre: "llama-bpe",
    text: "IT'S (it's)\r\n  y",
    words: ["IT", "'S", " (", "it", "'s", ")\r\n", " ", " y"],
  },
  { pre: "qwen2", text: "a 12\n \n b", words: ["a", " ", "1", "2", "\n \n", " b"] },
  { pre: "qwen2", text: "don'ſ", words: ["don", "'ſ"] },
  { pre: "default", text: "a1234!? b", words: ["a", "123", "4", "!?", " b"] },
  { pre: "gpt-2", text: "", words: [] },
];

for (const { pre, text, words } of CASES) {
  Deno.test(`splitWords() cuts ${JSON.stringify(text)} for ${pre}`, () => {
    assertEquals(splitWords(text, preTokenizerNamed(pre)).filter((word) => word !== ""), words);
  });
}

Deno.test("preTokenizerNamed() names what it knows when asked for another", () => {
  assertThrows(() => preTokenizerNamed("tekken"), TokenizerError, "supported are gpt-2, smollm");
});
