/** The layout of KV blocks outside of a device, the same for every backend. */

import type { ModelShape } from "../weights/model_file.ts";
import { BLOCK_TOKENS, type KvLayout } from "./backend.ts";

/** The default KV cache holds one context, or this many tokens where contexts are shorter. */
const MIN_DEFAULT_TOKENS = 4096;

/** The layout of one block of a model. */
export function kvLayout(shape: ModelShape): KvLayout {
  const { layers, kvHeads, headDim } = shape;
  return { layers, kvHeads, headDim, blockBytes: layers * 2 * sliceBytes(shape) };
}

/** Bytes of the keys, or of the values, of one block in one layer. */
export function sliceBytes({ kvHeads, headDim }: Pick<KvLayout, "kvHeads" | "headDim">): number {
  return BLOCK_TOKENS * kvHeads * headDim * 4;
}

/** Blocks that hold `positions` positions. */
export function blocksFor(positions: number): number {
  return Math.ceil(positions / BLOCK_TOKENS);
}

/** Tokens that a KV cache holds where nobody says how many. */
export function defaultKvCacheTokens(contextLength: number): number {
  return Math.max(contextLength, MIN_DEFAULT_TOKENS);
}

/** Throws a RangeError that names the first of `blocks` which a cache of `totalBlocks` lacks. */
export function checkBlocks(blocks: readonly number[], totalBlocks: number): void {
  const wrong = blocks.find((id) => !Number.isInteger(id) || id < 0 || id >= totalBlocks);
  if (wrong !== undefined) {
    throw new RangeError(`Cannot use KV block ${wrong}: the cache has ${totalBlocks}`);
  }
}

/** Throws a RangeError where `byteLength` is not that of `blocks` blocks. */
export function checkBlockBytes(blocks: number, byteLength: number, layout: KvLayout): void {
  const needed = blocks * layout.blockBytes;
  if (byteLength !== needed) {
    throw new RangeError(
      `Cannot write ${blocks} KV blocks: ${byteLength} bytes given, ${needed} needed`,
    );
  }
}
