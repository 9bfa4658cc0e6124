/**
 * Who holds which KV block, and which blocks can be found again by their content.
 *
 * A block is free, held (by one sequence or, when its content is a shared prefix, by several) or kept:
 * held by nobody, but still findable. Kept blocks count as available and go in the order in which they
 * were released, oldest first. A sequence releases its blocks from the last to the first, and holds a
 * block only along with all blocks before it, so a prefix always loses its end before its beginning
 * and a findable block's predecessors are findable too.
 *
 * A prefix is found by chained hash, and its tokens and predecessor are compared: a colliding prefix is
 * not cached, never confused. Findable blocks are full, and nobody writes to them again.
 */

import { BLOCK_TOKENS } from "../engine/backend.ts";
import { hashBlock } from "./block_hash.ts";

/** A full block whose content is known: a node of the tree of prefixes. */
export interface CachedBlock {
  readonly block: number;
  readonly hash: string;
  /** The block before it; null at position 0. */
  readonly parent: CachedBlock | null;
  /** [BLOCK_TOKENS] */
  readonly tokens: readonly number[];
}

/** Tokens that are only ever appended to, with what was computed of them so far. */
export interface HashedTokens {
  readonly tokens: readonly number[];
  /** Hash of each leading full block; the block manager appends to it. */
  readonly blockHashes: string[];
}

export interface BlockManagerOptions {
  readonly totalBlocks: number;
  /** Names a block by its parent's name and its tokens; hashBlock by default. */
  readonly hash?: (parent: string | null, tokens: readonly number[]) => string;
}

export class BlockManager {
  readonly totalBlocks: number;
  readonly #hash: (parent: string | null, tokens: readonly number[]) => string;
  /** Holders of each block. [totalBlocks] */
  readonly #references: Uint32Array;
  readonly #free: number[] = [];
  /** Kept blocks; a Set iterates in order of insertion, so its first one is the oldest. */
  readonly #kept = new Set<number>();
  readonly #cachedByHash = new Map<string, CachedBlock>();
  readonly #cachedByBlock = new Map<number, CachedBlock>();

  constructor(options: BlockManagerOptions) {
    this.totalBlocks = options.totalBlocks;
    this.#hash = options.hash ?? hashBlock;
    this.#references = new Uint32Array(options.totalBlocks);
    for (let block = options.totalBlocks - 1; block >= 0; block--) this.#free.push(block);
  }

  /** Blocks that `allocate` can still hand out. */
  get availableBlocks(): number {
    return this.#free.length + this.#kept.size;
  }

  /** Blocks that sequences hold. */
  get usedBlocks(): number {
    return this.totalBlocks - this.availableBlocks;
  }

  /** Finds the longest cached prefix, at most `maxBlocks` long. Holds nothing. */
  findPrefix({ tokens, blockHashes }: HashedTokens, maxBlocks: number): CachedBlock[] {
    const prefix: CachedBlock[] = [];
    let parent: CachedBlock | null = null;
    while (prefix.length < maxBlocks) {
      const start = prefix.length * BLOCK_TOKENS;
      const content = tokens.slice(start, start + BLOCK_TOKENS);
      const hash: string = blockHashes[prefix.length] ?? this.#hash(parent?.hash ?? null, content);
      blockHashes[prefix.length] = hash;
      const found = this.#cachedByHash.get(hash);
      if (found === undefined || !isSame(found, parent, content)) break;
      prefix.push(found);
      parent = found;
    }
    return prefix;
  }

  /** How many of the available blocks `hold(prefix)` would take. */
  countKept(prefix: readonly CachedBlock[]): number {
    return prefix.filter(({ block }) => this.#kept.has(block)).length;
  }

  /** Takes one more hold on each block of a prefix. */
  hold(prefix: readonly CachedBlock[]): void {
    for (const { block } of prefix) {
      this.#kept.delete(block);
      this.#references[block]++;
    }
  }

  /** Hands out a block of unknown content; null when none is available. */
  allocate(): number | null {
    const block = this.#free.pop() ?? this.#evictOldest();
    if (block === null) return null;
    this.#references[block] = 1;
    return block;
  }

  /** Gives up one hold on each block of a sequence's table. */
  release(blockTable: readonly number[]): void {
    for (const block of blockTable.toReversed()) {
      if (this.#references[block] === 0) {
        throw new Error(`Cannot release block ${block}: nobody holds it`);
      }
      this.#references[block]--;
      if (this.#references[block] > 0) continue;
      if (this.#cachedByBlock.has(block)) this.#kept.add(block);
      else this.#free.push(block);
    }
  }

  /**
   * Makes a full, held block findable behind `parent`. Where the same prefix is findable already, the
   * caller's hold moves to that block: the result's `block` says which one to use from now on. Returns
   * null, and caches nothing, when another prefix has the same hash.
   */
  cache(
    block: number,
    content: { readonly parent: CachedBlock | null; readonly tokens: readonly number[] },
  ): CachedBlock | null {
    const { parent, tokens } = content;
    const hash = this.#hash(parent?.hash ?? null, tokens);
    const found = this.#cachedByHash.get(hash);
    if (found !== undefined) {
      if (!isSame(found, parent, tokens)) return null;
      this.hold([found]);
      this.release([block]);
      return found;
    }
    const cached = { block, hash, parent, tokens };
    this.#cachedByHash.set(hash, cached);
    this.#cachedByBlock.set(block, cached);
    return cached;
  }

  #evictOldest(): number | null {
    for (const block of this.#kept) {
      this.#kept.delete(block);
      const cached = this.#cachedByBlock.get(block);
      if (cached !== undefined) this.#cachedByHash.delete(cached.hash);
      this.#cachedByBlock.delete(block);
      return block;
    }
    return null;
  }
}

function isSame(
  cached: CachedBlock,
  parent: CachedBlock | null,
  tokens: readonly number[],
): boolean {
  return cached.parent === parent && cached.tokens.every((token, index) => token === tokens[index]);
}
