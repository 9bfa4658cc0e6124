import { assertEquals } from "@std/assert/mod.js";
import { gapFigures } from "./token_gaps.ts";

Deno.test("gapFigures tells the median and which token waited longest", () => {
  assertEquals(gapFigures([10, 30, 12]), { medianMs: 12, longestMs: 30, longestAt: 3 });
  assertEquals(gapFigures([]), null);
});
