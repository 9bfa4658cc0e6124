import { assertEquals } from "@std/assert/mod.js";
import { linePaths } from "./sparkline.ts";

Deno.test("linePaths draws the highest value at the top, and a gap as a gap", () => {
  assertEquals(linePaths([0, 4, NaN, 2, NaN]), ["M0.0 34.0L60.0 2.0", "M180.0 18.0h4"]);
  assertEquals(linePaths([]), []);
  assertEquals(linePaths([0, 0]), ["M0.0 34.0L240.0 34.0"]);
});

Deno.test("linePaths draws a value without neighbours within the drawing, also the newest", () => {
  assertEquals(linePaths([NaN, NaN, 3]), ["M236.0 2.0h4"]);
  assertEquals(linePaths([3, NaN, NaN]), ["M0.0 2.0h4"]);
});
