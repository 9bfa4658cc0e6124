import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { blocksFor, checkBlockBytes, checkBlocks } from "./kv_layout.ts";

Deno.test("blocksFor() rounds up to whole blocks", () => {
  assertEquals([0, 1, 16, 17].map(blocksFor), [0, 1, 1, 2]);
});

Deno.test("checkBlocks() names the first block that does not exist", () => {
  checkBlocks([0, 3], 4);
  assertThrows(() => checkBlocks([0, 4, 5], 4), RangeError, "KV block 4: the cache has 4");
  assertThrows(() => checkBlocks([-1], 4), RangeError, "KV block -1");
  assertThrows(() => checkBlocks([0.5], 4), RangeError, "KV block 0.5");
});

Deno.test("checkBlockBytes() takes whole blocks only", () => {
  const layout = { layers: 1, kvHeads: 1, headDim: 1, blockBytes: 128 };
  checkBlockBytes(2, 256, layout);
  assertThrows(() => checkBlockBytes(2, 255, layout), RangeError, "255 bytes given, 256 needed");
});
