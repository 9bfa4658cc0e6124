import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { createTokenizer } from "../../shared/tokenizer/mod.ts";
import { byteTokenizer, byteTokens } from "../../services/frontend/testing/fake_worker.ts";
import type { ReferenceText } from "../gpu/reference_text.ts";
import { findDivergence } from "./reference_match.ts";

const tokenizer = createTokenizer(byteTokenizer());
const END = 2;

/** A reference whose only freedom is at `index`, where `others` may be chosen too. */
function freeAt(text: string, index: number, others: readonly number[]): ReferenceText {
  const tokens = [...byteTokens(text), END];
  return {
    tokens,
    admissible: tokens.map((token, at) => at === index ? [token, ...others] : [token]),
  };
}

Deno.test("findDivergence is null for the reference's text, whole or from a token on", () => {
  const reference = freeAt("Hello", 0, []);
  assertEquals(findDivergence("Hello", { reference, tokenizer, from: 0 }), null);
  assertEquals(findDivergence("lo", { reference, tokenizer, from: 3 }), null);
});

Deno.test("findDivergence tells where a text took an admissible token", () => {
  const [a] = byteTokens("a");
  const reference = freeAt("Hello", 1, [a!]);
  const found = findDivergence("Hallo, Welt", { reference, tokenizer, from: 0 });
  assertEquals(found, { index: 1, token: a! });
});

Deno.test("findDivergence takes an admissible end only where the text ends", () => {
  const reference = freeAt("Hello", 3, [END]);
  const found = findDivergence("Hel", { reference, tokenizer, from: 0 });
  assertEquals(found, { index: 3, token: END });
  assertThrows(() => findDivergence("Help", { reference, tokenizer, from: 0 }));
});

Deno.test("findDivergence throws for any other difference", () => {
  const [a] = byteTokens("a");
  const reference = freeAt("Hello", 1, [a!]);
  for (const text of ["Hollo", "Hell", "Hello!", "", "hallo"]) {
    assertThrows(() => findDivergence(text, { reference, tokenizer, from: 0 }), Error, text);
  }
});
