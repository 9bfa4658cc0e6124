// Rotary positions, the KV cache and attention over its paged blocks.
//
// A block of the cache lies as it travels: for each layer keys, then values, each
// [16, kvHeads, headDim] f32. Positions are taken in chunks of 128, each with a softmax of its own;
// chunks join in order of positions. So a result does not depend on how the chunks are spread.

import { attendChunk, blockAt, CHUNK, join, PARTIAL_HEAD } from "./attention_chunk";
import { scratchOf, take } from "./barrier";
import { quantise } from "./row_ops";

// Work items for each thread: of fewer they are made smaller, of more larger.
const ITEMS_FOR_THREAD: u32 = 4;
// Rows that an item has at most.
const NEIGHBOURS: u32 = 8;

// Rotates queries and keys of [queries, keys, values], scales the queries and stores keys and
// values.
// Parameters: qkv, cache, block bytes, layer offset, step rows, block tables, heads, kvHeads,
// headDim, angles [positions][cosine, sine], ropeDim.
export function rotateAndStore(op: usize): void {
  const count = load<u32>(load<usize>(op, 4));
  const heads = load<u32>(op, 40);
  const kvHeads = load<u32>(op, 44);
  const headDim = load<u32>(op, 48);
  const ropeDim = load<u32>(op, 56);
  const headBytes = headDim * 4;
  const width = kvHeads * headBytes;
  const scale: f32 = 1 / sqrt<f32>(<f32>headDim);
  for (let row = take(op); row < count; row = take(op)) {
    const record = load<usize>(op, 32) + row * 16;
    const position = load<u32>(record, 4);
    const angles = load<usize>(op, 52) + position * ropeDim * 4;
    let at = load<usize>(op, 16) + row * (heads + 2 * kvHeads) * headBytes;
    for (let head: u32 = 0; head < heads; head++) {
      rotate(at, angles, ropeDim);
      for (let d: u32 = 0; d < headBytes; d += 4) store<f32>(at + d, load<f32>(at + d) * scale);
      at += headBytes;
    }
    const table = load<usize>(op, 36) + load<u32>(record, 8) * 4;
    const keys = blockAt(op, table, position) + (position & 15) * width;
    for (let head: u32 = 0; head < kvHeads; head++) {
      rotate(at, angles, ropeDim);
      memory.copy(keys + head * headBytes, at, headBytes);
      at += headBytes;
    }
    memory.copy(keys + 16 * width, at, width);
  }
}

// Rotates pairs (2i, 2i + 1) of one head in place.
function rotate(at: usize, angles: usize, ropeDim: u32): void {
  const bytes = ropeDim * 4;
  const signs = f32x4(-1, 1, -1, 1);
  let k: u32 = 0;
  for (; k + 16 <= bytes; k += 16) {
    const v = v128.load(at + k);
    const angle = v128.load(angles + k);
    const cosines = v128.shuffle<f32>(angle, angle, 0, 0, 2, 2);
    const sines = f32x4.mul(v128.shuffle<f32>(angle, angle, 1, 1, 3, 3), signs);
    const swapped = v128.shuffle<f32>(v, v, 1, 0, 3, 2);
    v128.store(at + k, f32x4.add(f32x4.mul(v, cosines), f32x4.mul(swapped, sines)));
  }
  for (; k < bytes; k += 8) {
    const x = load<f32>(at + k);
    const y = load<f32>(at + k, 4);
    const cosine = load<f32>(angles + k);
    const sine = load<f32>(angles + k, 4);
    store<f32>(at + k, x * cosine + y * -sine);
    store<f32>(at + k, y * cosine + x * sine, 4);
  }
}

// Partial results of every row and head. Parameters: qkv, cache, block bytes, layer offset, step
// rows, block tables, heads, kvHeads, headDim, partial results, step header (12: chunks of the
// longest row, 16: whether each chunk is a work item with a result of its own).
//
// Heads that share keys and values are taken two at a time, so that these are loaded for both. A
// work item is all heads that share them, or where there are few items two; and of many rows a few
// neighbours, which go through the chunks together, so that these stay in the cache.
export function attend(op: usize, control: usize, thread: u32): void {
  const count = load<u32>(load<usize>(op, 4));
  const kvHeads = load<u32>(op, 44);
  const header = load<usize>(op, 56);
  const isSplit = load<u32>(header, 16) != 0;
  const spread: u32 = isSplit ? load<u32>(header, 12) : 1;
  const sharing = load<u32>(op, 40) / kvHeads;
  const scratch = scratchOf(control, thread);
  const enough = load<u32>(control, 4) * ITEMS_FOR_THREAD;
  const most = count * kvHeads * spread;
  const headStep = most < enough ? min<u32>(2, sharing) : sharing;
  const headParts = (sharing + headStep - 1) / headStep;
  const rowStep = isSplit ? 1 : max<u32>(1, min(NEIGHBOURS, most / enough));
  const rowParts = (count + rowStep - 1) / rowStep;
  const items = spread * headParts * kvHeads * rowParts;
  for (let item = take(op); item < items; item = take(op)) {
    const chunk = item % spread;
    const headPart = item / spread % headParts;
    const kvHead = item / spread / headParts % kvHeads;
    const firstRow = item / spread / headParts / kvHeads * rowStep;
    const endRow = min(firstRow + rowStep, count);
    const firstHead = headPart * headStep;
    const endHead = min(firstHead + headStep, sharing);
    const endChunk = isSplit ? chunk + 1 : load<u32>(header, 12);
    for (let c = isSplit ? chunk : 0; c < endChunk; c++) {
      for (let row = firstRow; row < endRow; row++) {
        let head = firstHead;
        for (; head + 2 <= endHead; head += 2) attendChunk(op, row, kvHead, head, 2, c, scratch);
        if (head < endHead) attendChunk(op, row, kvHead, head, 1, c, scratch);
      }
    }
  }
}

// Rows of attention from their partial results. Parameters: partial results, step header, heads,
// headDim, step rows, y, q or 0, info, isBytes.
export function mergeAttention(op: usize): void {
  const count = load<u32>(load<usize>(op, 4));
  const header = load<usize>(op, 20);
  const heads = load<u32>(op, 24);
  const headDim = load<u32>(op, 28);
  const isSplit = load<u32>(header, 16) != 0;
  const spread: u32 = isSplit ? load<u32>(header, 12) : 1;
  const partialBytes = PARTIAL_HEAD + headDim * 4;
  for (let row = take(op); row < count; row = take(op)) {
    const position = load<u32>(load<usize>(op, 32) + row * 16, 4);
    const chunks: u32 = isSplit ? position / CHUNK + 1 : 1;
    const y = load<usize>(op, 36) + row * heads * headDim * 4;
    for (let head: u32 = 0; head < heads; head++) {
      const slot = load<usize>(op, 16) + (row * heads + head) * spread * partialBytes;
      for (let c: u32 = 1; c < chunks; c++) join(slot, slot + c * partialBytes, headDim * 4);
      const inverse = f32x4.splat(1 / load<f32>(slot, 4));
      const to = y + head * headDim * 4;
      for (let at: usize = 0; at < headDim * 4; at += 16) {
        v128.store(to + at, f32x4.mul(v128.load(slot + at, PARTIAL_HEAD), inverse));
      }
    }
    quantise(op, row, y, heads * headDim);
  }
}
