import { assertEquals } from "@std/assert/mod.js";
import { fit, formatChange, formatDuration, formatShare, oneLine } from "./format.ts";
import { wrap } from "./wrap.ts";

Deno.test("formatDuration keeps three digits and changes unit without a gap", () => {
  const shown = [0, 0.4, 999, 1_000, 9_994, 9_995, 999_949, 999_950, 59_994_999, 59_995_000, 123e6]
    .map(formatDuration);
  assertEquals(shown, [
    ...["0 µs", "0 µs", "999 µs", "1.00 ms", "9.99 ms", "10.0 ms", "999.9 ms", "1.00 s"],
    ...["59.99 s", "1 m 00 s", "2 m 03 s"],
  ]);
  assertEquals(formatDuration(-1500), "-1.50 ms");
});

Deno.test("formatChange and formatShare show direction and proportion", () => {
  assertEquals([1500, -1500, 0.2].map(formatChange), ["+1.50 ms", "-1.50 ms", "±0 µs"]);
  assertEquals([formatShare(1, 3), formatShare(1, 250), formatShare(1, 0)], [
    "33 %",
    "0.4 %",
    "0 %",
  ]);
});

Deno.test("fit cuts and fills by characters, oneLine takes control characters out", () => {
  assertEquals([fit("abc", 5), fit("abcdef", 4), fit("é🙂x", 2), fit("abc", 0)], [
    "abc  ",
    "abc…",
    "é…",
    "",
  ]);
  assertEquals(oneLine(" a\x1b[31m\u2028b\t"), "a [31m b");
});

Deno.test("wrap breaks between words and leaves a long word whole", () => {
  assertEquals(wrap("aa bb cccccc d", 5), ["aa bb", "cccccc", "d"]);
});

Deno.test("wrap leaves a number with its unit", () => {
  assertEquals(wrap("took 15 % (2 m 03 s), more", 9), ["took 15 %", "(2 m", "03 s),", "more"]);
});
