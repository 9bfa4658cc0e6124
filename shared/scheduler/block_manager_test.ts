import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { BLOCK_TOKENS } from "../engine/backend.ts";
import { hashBlock } from "./block_hash.ts";
import { BlockManager, type CachedBlock, type HashedTokens } from "./block_manager.ts";

/** Tokens of `blocks` blocks; `seed` makes them differ from those of other seeds in every block. */
function blockTokens(blocks: number, seed = 0): number[] {
  return Array.from({ length: blocks * BLOCK_TOKENS }, (_, index) => seed * 10_000 + index);
}

function allocate(manager: BlockManager, count: number): number[] {
  return Array.from({ length: count }, () => manager.allocate()!);
}

/** Allocates blocks and makes them findable as the prefix `tokens`. */
function cachePrefix(manager: BlockManager, tokens: readonly number[]): number[] {
  const table = allocate(manager, tokens.length / BLOCK_TOKENS);
  let parent: CachedBlock | null = null;
  return table.map((block, index) => {
    const content = tokens.slice(index * BLOCK_TOKENS, (index + 1) * BLOCK_TOKENS);
    const cached = manager.cache(block, { parent, tokens: content })!;
    parent = cached;
    return cached.block;
  });
}

function hashed(tokens: readonly number[]): HashedTokens {
  return { tokens, blockHashes: [] };
}

function findBlocks(manager: BlockManager, tokens: readonly number[], maxBlocks = 99): number[] {
  return manager.findPrefix(hashed(tokens), maxBlocks).map(({ block }) => block);
}

Deno.test("BlockManager.allocate() hands out each block once and null when none is left", () => {
  const manager = new BlockManager({ totalBlocks: 3 });
  assertEquals(allocate(manager, 3).toSorted(), [0, 1, 2]);
  assertEquals(manager.allocate(), null);
  assertEquals(manager.availableBlocks, 0);
  assertEquals(manager.usedBlocks, 3);
});

Deno.test("BlockManager.release() makes blocks available again", () => {
  const manager = new BlockManager({ totalBlocks: 2 });
  manager.release(allocate(manager, 2));
  assertEquals(manager.usedBlocks, 0);
  assertEquals(allocate(manager, 2).length, 2);
});

Deno.test("BlockManager.release() refuses a block that nobody holds", () => {
  const manager = new BlockManager({ totalBlocks: 2 });
  const table = allocate(manager, 1);
  manager.release(table);
  assertThrows(() => manager.release(table), Error, "nobody holds it");
});

Deno.test("BlockManager.findPrefix() finds the longest cached prefix, held or kept", () => {
  const manager = new BlockManager({ totalBlocks: 8 });
  const tokens = blockTokens(3);
  const table = cachePrefix(manager, tokens);
  assertEquals(findBlocks(manager, tokens), table);
  manager.release(table);
  assertEquals(findBlocks(manager, [...tokens, ...blockTokens(1, 5)]), table);
  assertEquals(findBlocks(manager, tokens, 2), table.slice(0, 2));
  assertEquals(
    findBlocks(manager, [...tokens.slice(0, BLOCK_TOKENS), ...blockTokens(2, 7)]),
    table.slice(0, 1),
  );
});

Deno.test("BlockManager.findPrefix() hashes a block once, however often it is asked, and new ones too", () => {
  const hashedBlocks: number[] = [];
  const manager = new BlockManager({
    totalBlocks: 8,
    hash: (parent, tokens) => {
      hashedBlocks.push(tokens[0]);
      return hashBlock(parent, tokens);
    },
  });
  const content = hashed(blockTokens(4));
  const table = cachePrefix(manager, content.tokens.slice(0, 2 * BLOCK_TOKENS));
  hashedBlocks.length = 0;
  assertEquals(manager.findPrefix(content, 4).map(({ block }) => block), table);
  assertEquals(manager.findPrefix(content, 4).map(({ block }) => block), table);
  assertEquals(hashedBlocks, [0, 1, 2].map((block) => block * BLOCK_TOKENS));
  const longer = cachePrefix(manager, content.tokens);
  assertEquals(manager.findPrefix(content, 4).map(({ block }) => block), longer);
});

Deno.test("BlockManager.findPrefix() does not find a partial block", () => {
  const manager = new BlockManager({ totalBlocks: 4 });
  const tokens = blockTokens(1);
  cachePrefix(manager, tokens);
  assertEquals(findBlocks(manager, tokens.slice(0, -1)), []);
});

Deno.test("BlockManager.findPrefix() finds the same block only behind the same prefix", () => {
  const manager = new BlockManager({ totalBlocks: 8 });
  const shared = blockTokens(1, 9);
  cachePrefix(manager, [...blockTokens(1, 1), ...shared]);
  assertEquals(findBlocks(manager, shared), []);
  assertEquals(findBlocks(manager, [...blockTokens(1, 2), ...shared]), []);
});

Deno.test("BlockManager does not confuse prefixes whose hashes collide, it caches the first", () => {
  const manager = new BlockManager({ totalBlocks: 4, hash: () => "same" });
  const [first, second] = allocate(manager, 2);
  const cached = manager.cache(first, { parent: null, tokens: blockTokens(1, 1) });
  assertEquals(manager.cache(second, { parent: null, tokens: blockTokens(1, 2) }), null);
  assertEquals(manager.cache(second, { parent: cached, tokens: blockTokens(1, 1) }), null);
  assertEquals(findBlocks(manager, blockTokens(2, 1)), [first]);
  assertEquals(findBlocks(manager, blockTokens(1, 2)), []);
});

Deno.test("BlockManager.hold() shares blocks, which stay until the last holder releases them", () => {
  const manager = new BlockManager({ totalBlocks: 2 });
  const table = cachePrefix(manager, blockTokens(2));
  manager.hold(manager.findPrefix(hashed(blockTokens(2)), 2));
  manager.release(table);
  assertEquals(manager.allocate(), null);
  manager.release(table);
  assertEquals(manager.usedBlocks, 0);
});

Deno.test("BlockManager.countKept() counts only blocks that nobody holds", () => {
  const manager = new BlockManager({ totalBlocks: 4 });
  const table = cachePrefix(manager, blockTokens(2));
  const prefix = manager.findPrefix(hashed(blockTokens(2)), 2);
  assertEquals(manager.countKept(prefix), 0);
  manager.release(table);
  assertEquals(manager.countKept(prefix), 2);
  manager.hold(prefix.slice(0, 1));
  assertEquals(manager.countKept(prefix), 1);
});

Deno.test("BlockManager.allocate() takes kept blocks last, oldest first, ends before beginnings", () => {
  const manager = new BlockManager({ totalBlocks: 5 });
  const older = cachePrefix(manager, blockTokens(2, 1));
  const newer = cachePrefix(manager, blockTokens(2, 2));
  manager.release(older);
  manager.release(newer);
  allocate(manager, 1); // the one that was never used
  assertEquals(findBlocks(manager, blockTokens(2, 1)), older);

  assertEquals(allocate(manager, 1), [older[1]]);
  assertEquals(findBlocks(manager, blockTokens(2, 1)), [older[0]]);
  assertEquals(findBlocks(manager, blockTokens(2, 2)), newer);
  assertEquals(allocate(manager, 2), [older[0], newer[1]]);
  assertEquals(findBlocks(manager, blockTokens(2, 1)), []);
  assertEquals(findBlocks(manager, blockTokens(2, 2)), [newer[0]]);
});

Deno.test("BlockManager keeps a prefix longer when it was used again", () => {
  const manager = new BlockManager({ totalBlocks: 2 });
  const first = cachePrefix(manager, blockTokens(1, 1));
  const second = cachePrefix(manager, blockTokens(1, 2));
  manager.release(first);
  manager.release(second);
  manager.hold(manager.findPrefix(hashed(blockTokens(1, 1)), 1));
  manager.release(first);
  assertEquals(allocate(manager, 1), second);
});

Deno.test("BlockManager.cache() moves the hold on a duplicate to the block that is known already", () => {
  const manager = new BlockManager({ totalBlocks: 4 });
  const first = cachePrefix(manager, blockTokens(2));
  const second = cachePrefix(manager, blockTokens(2));
  assertEquals(second, first);
  assertEquals(manager.usedBlocks, 2);
  manager.release(first);
  assertEquals(manager.usedBlocks, 2);
  manager.release(second);
  assertEquals(manager.usedBlocks, 0);
});
