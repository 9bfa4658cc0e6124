import { assertEquals } from "@std/assert/mod.js";
import { gapFigures, longestGaps } from "./token_gaps.ts";

Deno.test("gapFigures tells the median and which token waited longest", () => {
  assertEquals(gapFigures([10, 30, 12]), { medianMs: 12, longestMs: 30, longestAt: 3 });
  assertEquals(gapFigures([]), null);
});

Deno.test("longestGaps() keeps the longest of each run, with its token", () => {
  assertEquals(longestGaps([1, 5, 2, 3, 9], 2), [{ gapMs: 5, token: 3 }, { gapMs: 9, token: 6 }]);
  assertEquals(longestGaps([4, 1], 512), [{ gapMs: 4, token: 2 }, { gapMs: 1, token: 3 }]);
  assertEquals(longestGaps([], 512), []);
});
