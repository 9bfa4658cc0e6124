import { assertEquals } from "@std/assert/mod.js";
import { gapStatistics } from "./gap_statistics.ts";

Deno.test("gapStatistics() is null without a gap", () => {
  assertEquals(gapStatistics([]), null);
});

Deno.test("gapStatistics() takes nearest ranks, in any order", () => {
  assertEquals(gapStatistics([100, 2, 10, 3]), { p50Ms: 3, p99Ms: 100, maxMs: 100 });
  assertEquals(gapStatistics([5]), { p50Ms: 5, p99Ms: 5, maxMs: 5 });
});
