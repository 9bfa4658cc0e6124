import { assertEquals } from "@std/assert/mod.js";
import { toWholeUs, withWholeUs, withWholeUsIn } from "./whole_us.ts";

Deno.test("toWholeUs() leaves no digits that the clock does not have", () => {
  assertEquals([146.996826171875, 0.0004, -1.5, 7].map(toWholeUs), [146.997, 0, -1.5, 7]);
});

Deno.test("withWholeUs() rounds times by their name and nothing else", () => {
  assertEquals(withWholeUs("gap_ms", 28.83203125), 28.832);
  assertEquals(withWholeUs("router.cost", 0.00390625), 0.00390625);
  assertEquals(withWholeUs("took_ms", "1.23456"), "1.23456");
  assertEquals(withWholeUs("took_ms", NaN), NaN);
  assertEquals(withWholeUsIn({ gap_ms: 1.00049, index: 0.1234567 }), {
    gap_ms: 1,
    index: 0.1234567,
  });
});
