import { assertEquals } from "@std/assert/mod.js";
import { parseKeepWord } from "./keep_word.ts";

Deno.test("parseKeepWord reads a word and nothing else", () => {
  assertEquals(parseKeepWord({ requestId: "r1", more: 1 }), { requestId: "r1" });
  const others = [null, 1, "r1", {}, { requestId: 1 }, { requestId: "" }];
  for (const body of [...others, { requestId: "x".repeat(129) }]) {
    assertEquals(parseKeepWord(body), null);
  }
});
