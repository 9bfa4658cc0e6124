import { assertEquals } from "@std/assert/mod.js";
import { dropOldest } from "./drop_oldest.ts";

Deno.test("dropOldest leaves the keys of a map or set that were added last", () => {
  const map = new Map([["a", 1], ["b", 2], ["c", 3]]);
  dropOldest(map, 2);
  assertEquals([...map.keys()], ["b", "c"]);
  const set = new Set(["a", "b"]);
  dropOldest(set, 2);
  assertEquals([...set], ["a", "b"]);
});
