import { assertEquals } from "@std/assert/mod.js";
import { parseExportWord } from "./mod.ts";

Deno.test("parseExportWord takes span ids and nothing else", () => {
  const word = { spanIds: ["b7ad6b7169203331"] };
  assertEquals(parseExportWord(word), word);
  for (const other of [null, {}, { spanIds: "b7ad6b7169203331" }, { spanIds: ["b7ad"] }]) {
    assertEquals(parseExportWord(other), null);
  }
});
