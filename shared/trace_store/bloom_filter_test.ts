import { assertEquals } from "@std/assert/mod.js";
import { buildBloomFilter, mayContain } from "./bloom_filter.ts";
import { hashText53 } from "./hash.ts";

Deno.test("mayContain() is true for what is in the set, and for little else", () => {
  const hashes = new Set(Array.from({ length: 2000 }, (_, index) => hashText53(`in-${index}`)));
  const filter = buildBloomFilter(hashes);
  assertEquals([...hashes].every((hash) => mayContain(filter, hash)), true);
  const others = Array.from({ length: 20_000 }, (_, index) => hashText53(`out-${index}`));
  const wrong = others.filter((hash) => mayContain(filter, hash)).length;
  assertEquals(wrong < 60, true, `${wrong} of 20000`);
});

Deno.test("mayContain() of an empty set is false", () => {
  assertEquals(mayContain(buildBloomFilter(new Set()), 1), false);
});
