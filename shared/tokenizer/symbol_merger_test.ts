import { assertEquals } from "@std/assert/mod.js";
import { type MergeRules, Symbols } from "./symbol_merger.ts";

/** Merges of strings by rank: `ranks` maps the joined text to its rank. */
function rulesFor(text: string, ranks: ReadonlyMap<string, number>): MergeRules {
  return {
    find: ({ starts, ends }, left, right) => ranks.get(text.slice(starts[left], ends[right])) ?? -1,
    priority: (rank) => rank,
    result: (rank) => 1000 + rank,
  };
}

function merged(text: string, ranks: ReadonlyMap<string, number>): string[] {
  const starts = Int32Array.from(text, (_, index) => index);
  const symbols = new Symbols(starts.slice(), starts, text.length);
  symbols.merge(rulesFor(text, ranks));
  const pieces: string[] = [];
  symbols.forEach((index) => pieces.push(text.slice(symbols.starts[index], symbols.ends[index])));
  return pieces;
}

/** The definition: look for the best pair in the whole list, merge it, start over. */
function mergedByDefinition(text: string, ranks: ReadonlyMap<string, number>): string[] {
  const pieces = [...text];
  while (true) {
    let best: { at: number; rank: number } | undefined;
    for (let at = 0; at + 1 < pieces.length; at++) {
      const rank = ranks.get(pieces[at] + pieces[at + 1]);
      if (rank !== undefined && (best === undefined || rank < best.rank)) best = { at, rank };
    }
    if (best === undefined) return pieces;
    pieces.splice(best.at, 2, pieces[best.at] + pieces[best.at + 1]);
  }
}

Deno.test("Symbols.merge() does what repeated search for the best pair does", () => {
  const ranks = new Map(
    ["ab", "ba", "aa", "aab", "bb", "abab", "aaa", "bab", "abb", "bba", "aabb", "babab"]
      .map((text, rank) => [text, rank]),
  );
  // Every text of up to 9 letters out of a and b.
  for (let length = 0; length <= 9; length++) {
    for (let bits = 0; bits < 2 ** length; bits++) {
      const text = Array.from({ length }, (_, at) => (bits >> at & 1 ? "a" : "b")).join("");
      assertEquals(merged(text, ranks), mergedByDefinition(text, ranks), text);
    }
  }
});

Deno.test("Symbols.merge() gives merged symbols the ids of their merges and leaves the others", () => {
  const symbols = new Symbols(Int32Array.of(7, 8, 9), Int32Array.of(0, 1, 2), 3);
  symbols.merge(rulesFor("abc", new Map([["bc", 5]])));
  const ids: number[] = [];
  symbols.forEach((index) => ids.push(symbols.ids[index]));
  assertEquals(ids, [7, 1005]);
});

Deno.test("Symbols.forEach() visits nothing in an empty text", () => {
  const symbols = new Symbols(new Int32Array(0), new Int32Array(0), 0);
  symbols.merge(rulesFor("", new Map()));
  symbols.forEach(() => {
    throw new Error("there is no symbol");
  });
});
