import { assertEquals, assertNotEquals } from "@std/assert/mod.js";
import { hashBlock } from "./block_hash.ts";

/** FNV-1a 64 as its authors define it, over bytes, in big integers. */
function fnv1a64(bytes: Iterable<number>): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, "0");
}

function littleEndianBytes(tokens: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(tokens.length * 4));
  tokens.forEach((token, index) => view.setUint32(index * 4, token, true));
  return new Uint8Array(view.buffer);
}

Deno.test("hashBlock() gives the published offset basis for no tokens", () => {
  assertEquals(hashBlock(null, []), "cbf29ce484222325");
});

Deno.test("hashBlock() equals FNV-1a 64 over the tokens' bytes", () => {
  const cases = [[0], [1], [0xffffffff], [97, 98, 99], [49151, 0, 262143, 7, 0x01020304]];
  for (const tokens of cases) {
    assertEquals(hashBlock(null, tokens), fnv1a64(littleEndianBytes(tokens)), `${tokens}`);
  }
});

Deno.test("hashBlock() chained over blocks equals the hash of the whole prefix", () => {
  const tokens = Array.from({ length: 64 }, (_, index) => (index * 7919) % 49152);
  let chained: string | null = null;
  for (let start = 0; start < tokens.length; start += 16) {
    chained = hashBlock(chained, tokens.slice(start, start + 16));
  }
  assertEquals(chained, hashBlock(null, tokens));
});

Deno.test("hashBlock() tells equal blocks behind different prefixes apart", () => {
  const block = Array.from({ length: 16 }, (_, index) => index);
  assertNotEquals(hashBlock(hashBlock(null, [1]), block), hashBlock(hashBlock(null, [2]), block));
  assertNotEquals(hashBlock(null, block), hashBlock(null, block.toReversed()));
});
