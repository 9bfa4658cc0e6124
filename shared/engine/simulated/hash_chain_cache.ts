/**
 * A paged KV cache that holds a hash chain instead of keys and values.
 *
 * The values of a position are its token, its keys a hash of all positions up to it, so a table that
 * leads to a wrong, missing, late or damaged block is found at the first read and not answered with other
 * text. A block is read whole once; after that its place in a chain is known by its two ends.
 */

import { BLOCK_TOKENS, type KvLayout } from "../backend.ts";
import { checkBlockBytes, checkBlocks } from "../kv_layout.ts";
import { mix } from "./simulation.ts";

/** The state before the first position. */
const START = 0;

/** Where a block that was read whole stands in a chain. */
interface Link {
  readonly before: number;
  readonly after: number;
}

export class HashChainCache {
  readonly #layout: KvLayout;
  /** [totalBlocks, keys or values, BLOCK_TOKENS, width] */
  readonly #words: Uint32Array<ArrayBuffer>;
  /** By block; null for one that was written since it was read. */
  readonly #links: (Link | null)[];

  constructor(layout: KvLayout, totalBlocks: number) {
    this.#layout = layout;
    this.#words = new Uint32Array(totalBlocks * layout.blockBytes / 4);
    this.#links = Array.from({ length: totalBlocks }, () => null);
  }

  /**
   * The hash of the first `positions` positions that `blockTable` leads to. Throws a RangeError that
   * names the first position whose KV does not follow from those before it.
   */
  stateAt(positions: number, blockTable: readonly number[]): number {
    let state = START;
    let position = 0;
    for (const block of blockTable) {
      const end = Math.min(position + BLOCK_TOKENS, positions);
      const link = end - position === BLOCK_TOKENS ? this.#links[block] : null;
      if (link?.before === state) {
        state = link.after;
        position = end;
        continue;
      }
      const before = state;
      for (; position < end; position++) state = this.#read(block, { position, before: state });
      if (end % BLOCK_TOKENS === 0) this.#links[block] = { before, after: state };
      if (end === positions) break;
    }
    return state;
  }

  /** Writes the next position and returns the hash of all up to it. */
  append(token: number, { position, before, block }: {
    readonly position: number;
    readonly before: number;
    readonly block: number;
  }): number {
    const state = nextState(before, token);
    const { key, value, width } = this.#rowOf(block, position);
    for (let index = 0; index < width; index++) {
      this.#words[key + index] = mix(state, index) || 1;
      this.#words[value + index] = token + 1;
    }
    this.#links[block] = null;
    return state;
  }

  read(blocks: readonly number[]): Uint8Array<ArrayBuffer> {
    const { blockBytes } = this.#layout;
    checkBlocks(blocks, this.#links.length);
    const data = new Uint8Array(blocks.length * blockBytes);
    blocks.forEach((block, index) => data.set(this.#bytesOf(block), index * blockBytes));
    return data;
  }

  write(blocks: readonly number[], data: Uint8Array<ArrayBuffer>): void {
    const { blockBytes } = this.#layout;
    checkBlocks(blocks, this.#links.length);
    checkBlockBytes(blocks.length, data.byteLength, this.#layout);
    blocks.forEach((block, index) => {
      this.#bytesOf(block).set(data.subarray(index * blockBytes, (index + 1) * blockBytes));
      this.#links[block] = null;
    });
  }

  #read(block: number, { position, before }: { position: number; before: number }): number {
    const { key, value, width } = this.#rowOf(block, position);
    const stored = this.#words[value] ?? 0;
    const state = nextState(before, stored - 1);
    for (let index = 0; index < width; index++) {
      const isWhole = this.#words[key + index] === (mix(state, index) || 1) &&
        this.#words[value + index] === stored;
      if (stored === 0 || !isWhole) {
        throw new RangeError(
          `Cannot read the KV of position ${position} in block ${block}: it does not follow from ` +
            "the positions before it",
        );
      }
    }
    return state;
  }

  #rowOf(block: number, position: number): { key: number; value: number; width: number } {
    const { kvHeads, headDim, blockBytes } = this.#layout;
    const width = kvHeads * headDim;
    const key = block * blockBytes / 4 + position % BLOCK_TOKENS * width;
    return { key, value: key + BLOCK_TOKENS * width, width };
  }

  #bytesOf(block: number): Uint8Array {
    const { blockBytes } = this.#layout;
    return new Uint8Array(this.#words.buffer, block * blockBytes, blockBytes);
  }
}

function nextState(before: number, token: number): number {
  return mix(before, token);
}
