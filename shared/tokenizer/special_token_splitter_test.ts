import { assertEquals } from "@std/assert/mod.js";
import { SpecialTokenSplitter } from "./special_token_splitter.ts";

const splitter = new SpecialTokenSplitter([
  { text: "<s>", id: 1 },
  { text: "<s>!", id: 2 },
  { text: "s>x", id: 3 },
  { text: "", id: 4 },
]);

const CASES: [text: string, parts: (string | number)[]][] = [
  ["", []],
  ["plain", ["plain"]],
  ["<s>", [1]],
  ["a<s>b<s>", ["a", 1, "b", 1]],
  ["<s><s>", [1, 1]],
  // The longest at a place; the leftmost before a longer one that overlaps it.
  ["<s>!", [2]],
  ["<s>x", [1, "x"]],
  ["s>x", [3]],
  ["<<s", ["<<s"]],
];

for (const [text, parts] of CASES) {
  Deno.test(`SpecialTokenSplitter.split(${JSON.stringify(text)})`, () => {
    assertEquals(splitter.split(text), parts);
  });
}
