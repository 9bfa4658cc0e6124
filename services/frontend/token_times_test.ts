import { assertEquals } from "@std/assert/mod.js";
import { TokenTimes } from "./token_times.ts";

Deno.test("TokenTimes gives every token but the first a gap", () => {
  const times = new TokenTimes();
  assertEquals(times.averageGapMs(), null);
  assertEquals(times.add(1, 100).count, 0);
  assertEquals(times.averageGapMs(), null);
  assertEquals(times.add(1, 110), { count: 1, gapMs: 10 });
  assertEquals(times.add(1, 140), { count: 1, gapMs: 30 });
  assertEquals([times.count, times.averageGapMs()], [3, 20]);
});

Deno.test("TokenTimes shares the time of a frame among its tokens", () => {
  const times = new TokenTimes();
  assertEquals(times.add(3, 100), { count: 2, gapMs: 0 });
  assertEquals(times.add(2, 120), { count: 2, gapMs: 10 });
  assertEquals([times.count, times.averageGapMs()], [5, 5]);
});
