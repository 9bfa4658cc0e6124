import { assertEquals } from "@std/assert/mod.js";
import { PairTable } from "./pair_table.ts";

Deno.test("PairTable finds every pair, also with many in neighbouring slots", () => {
  const table = new PairTable(10_000);
  for (let value = 0; value < 10_000; value++) table.add(value % 100, value * 64, value);
  for (let value = 0; value < 10_000; value++) {
    assertEquals(table.get(value % 100, value * 64), value);
  }
});

Deno.test("PairTable has -1 for pairs that are not there, order included", () => {
  const table = new PairTable(1);
  assertEquals(table.get(0, 0), -1);
  table.add(1, 2, 7);
  assertEquals([table.get(1, 2), table.get(2, 1), table.get(1, 3)], [7, -1, -1]);
});

Deno.test("PairTable keeps the first value of a pair", () => {
  const table = new PairTable(2);
  table.add(0, 0, 3);
  table.add(0, 0, 4);
  assertEquals(table.get(0, 0), 3);
});
