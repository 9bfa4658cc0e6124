import { assertEquals } from "@std/assert/mod.js";
import { coveredMs } from "./own_time.ts";

const SPAN = { startMs: 100, endMs: 200 };

function covered(...children: [number, number][]): number {
  return coveredMs(SPAN, children.map(([startMs, endMs]) => ({ startMs, endMs })));
}

Deno.test("coveredMs is 0 without children", () => {
  assertEquals(covered(), 0);
});

Deno.test("coveredMs adds children that do not touch, in any order", () => {
  assertEquals(covered([150, 160], [110, 130]), 30);
});

Deno.test("coveredMs counts overlapping and nested children once", () => {
  assertEquals(covered([110, 150], [120, 130], [140, 160]), 50);
});

Deno.test("coveredMs cuts children at the span's edges", () => {
  assertEquals(covered([50, 110], [190, 300], [10, 20], [300, 400]), 20);
});
