import { assertEquals } from "@std/assert/mod.js";
import { gapStatistics } from "./gap_statistics.ts";

Deno.test("gapStatistics() is null without a gap", () => {
  assertEquals(gapStatistics([]), null);
  assertEquals(gapStatistics([5]), null);
});

Deno.test("gapStatistics() takes nearest ranks of the differences, not of the times", () => {
  assertEquals(gapStatistics([0, 10, 12, 15, 115]), {
    p50Ms: 3,
    p99Ms: 100,
    maxMs: 100,
    meanMs: 28.75,
  });
});
