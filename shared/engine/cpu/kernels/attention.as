// Rotary positions, the KV cache and attention over its paged blocks.
//
// A block of the cache lies as it travels: for each layer keys, then values, each
// [16, kvHeads, headDim] f32. Positions are taken in chunks of 128, each with a softmax of its own;
// chunks join in order of positions. So a result does not depend on how the chunks are spread.

import { scratchOf, take } from "./barrier";
import { exp1, exp4, sum4 } from "./exponential";
import { quantise } from "./row_ops";

const CHUNK: u32 = 128;
const LOWEST: f32 = -3.4028234e38;
// Of a partial result: its largest score, its sum of weights, two unused; the weighted values
// follow.
const PARTIAL_HEAD: u32 = 16;

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
  for (let row = take(op, 1); row < count; row = take(op, 1)) {
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

// The keys of the block that holds `position`, in this operation's layer.
@inline
function blockAt(op: usize, table: usize, position: u32): usize {
  const block = load<u32>(table + (position >> 4) * 4);
  return load<usize>(op, 20) + block * load<u32>(op, 24) + load<u32>(op, 28);
}

// Partial results of every row and head. Parameters: qkv, cache, block bytes, layer offset, step
// rows, block tables, heads, kvHeads, headDim, partial results, step header (12: chunks of the
// longest row,
// 16: whether each chunk is a work item with a result of its own).
export function attend(op: usize, control: usize, thread: u32): void {
  const count = load<u32>(load<usize>(op, 4));
  const heads = load<u32>(op, 40);
  const kvHeads = load<u32>(op, 44);
  const headDim = load<u32>(op, 48);
  const partials = load<usize>(op, 52);
  const header = load<usize>(op, 56);
  const isSplit = load<u32>(header, 16) != 0;
  const spread: u32 = isSplit ? load<u32>(header, 12) : 1;
  const sharing = heads / kvHeads;
  const partialBytes = PARTIAL_HEAD + headDim * 4;
  const scratch = scratchOf(control, thread);
  const items = count * kvHeads * spread;
  for (let item = take(op, 1); item < items; item = take(op, 1)) {
    const chunk = item % spread;
    const row = item / spread / kvHeads;
    const kvHead = item / spread % kvHeads;
    const record = load<usize>(op, 32) + row * 16;
    const positions = load<u32>(record, 4) + 1;
    const firstHead = row * heads + kvHead * sharing;
    const queries = load<usize>(op, 16) +
      (row * (heads + 2 * kvHeads) + kvHead * sharing) * headDim * 4;
    const table = load<usize>(op, 36) + load<u32>(record, 8) * 4;
    const lastChunk = isSplit ? chunk : (positions - 1) / CHUNK;
    for (let c = isSplit ? chunk : 0; c <= lastChunk && c * CHUNK < positions; c++) {
      for (let head: u32 = 0; head < sharing; head++) {
        const slot = partials + ((firstHead + head) * spread + chunk) * partialBytes;
        const isFirst = isSplit || c == 0;
        const to = isFirst ? slot : scratch + CHUNK * 4;
        attendChunk(op, table, kvHead, queries + head * headDim * 4, c, positions, scratch, to);
        if (!isFirst) join(slot, to, headDim);
      }
    }
  }
}

function attendChunk(
  op: usize,
  table: usize,
  kvHead: u32,
  query: usize,
  chunk: u32,
  positions: u32,
  scores: usize,
  to: usize,
): void {
  const headDim = load<u32>(op, 48);
  const stride = load<u32>(op, 44) * headDim * 4;
  const start = chunk * CHUNK;
  const length = min(CHUNK, positions - start);
  const headOffset = kvHead * headDim * 4;
  let tops = f32x4.splat(LOWEST);
  for (let p: u32 = 0; p < length; p += 4) {
    const keys = blockAt(op, table, start + p) + (p & 15) * stride + headOffset;
    let score = fourScores(query, keys, stride, headDim * 4);
    if (p + 4 > length) {
      const isPast = i32x4.ge_s(i32x4.add(i32x4.splat(p), i32x4(0, 1, 2, 3)), i32x4.splat(length));
      score = v128.bitselect(f32x4.splat(LOWEST), score, isPast);
    }
    v128.store(scores + p * 4, score);
    tops = f32x4.max(tops, score);
  }
  const top = max(
    max(f32x4.extract_lane(tops, 0), f32x4.extract_lane(tops, 1)),
    max(f32x4.extract_lane(tops, 2), f32x4.extract_lane(tops, 3)),
  );
  const topSplat = f32x4.splat(top);
  let masses = f32x4.splat(0);
  for (let p: u32 = 0; p < length; p += 4) {
    const weight = exp4(f32x4.sub(v128.load(scores + p * 4), topSplat));
    v128.store(scores + p * 4, weight);
    masses = f32x4.add(masses, weight);
  }
  store<f32>(to, top);
  store<f32>(to, sum4(masses), 4);
  const values = 16 * stride + headOffset;
  let d: u32 = 0;
  for (; d + 32 <= headDim; d += 32) {
    mixEight(op, table, start, length, scores, values + d * 4, stride, to + PARTIAL_HEAD + d * 4);
  }
  for (; d < headDim; d += 4) {
    mixOne(op, table, start, length, scores, values + d * 4, stride, to + PARTIAL_HEAD + d * 4);
  }
}

// The products of a query with four neighbouring keys.
@inline
function fourScores(query: usize, keys: usize, stride: usize, bytes: usize): v128 {
  let s0 = f32x4.splat(0), s1 = f32x4.splat(0), s2 = f32x4.splat(0), s3 = f32x4.splat(0);
  let k1 = keys + stride, k2 = k1 + stride, k3 = k2 + stride;
  for (const end = query + bytes; query < end; query += 16) {
    const q = v128.load(query);
    s0 = f32x4.add(s0, f32x4.mul(q, v128.load(keys)));
    s1 = f32x4.add(s1, f32x4.mul(q, v128.load(k1)));
    s2 = f32x4.add(s2, f32x4.mul(q, v128.load(k2)));
    s3 = f32x4.add(s3, f32x4.mul(q, v128.load(k3)));
    keys += 16;
    k1 += 16;
    k2 += 16;
    k3 += 16;
  }
  const a = f32x4.add(
    v128.shuffle<f32>(s0, s1, 0, 4, 1, 5),
    v128.shuffle<f32>(s0, s1, 2, 6, 3, 7),
  );
  const b = f32x4.add(
    v128.shuffle<f32>(s2, s3, 0, 4, 1, 5),
    v128.shuffle<f32>(s2, s3, 2, 6, 3, 7),
  );
  return f32x4.add(v128.shuffle<f32>(a, b, 0, 1, 4, 5), v128.shuffle<f32>(a, b, 2, 3, 6, 7));
}

@inline
function mac(sum: v128, weight: v128, value: usize): v128 {
  return f32x4.add(sum, f32x4.mul(weight, v128.load(value)));
}

// Weighted values of 32 dimensions.
function mixEight(
  op: usize,
  table: usize,
  start: u32,
  length: u32,
  weights: usize,
  offset: usize,
  stride: usize,
  to: usize,
): void {
  let a = f32x4.splat(0), b = f32x4.splat(0), c = f32x4.splat(0), d = f32x4.splat(0);
  let e = f32x4.splat(0), f = f32x4.splat(0), g = f32x4.splat(0), h = f32x4.splat(0);
  for (let first: u32 = 0; first < length; first += 16) {
    let value = blockAt(op, table, start + first) + offset;
    const end = min(first + 16, length);
    for (let p = first; p < end; p++) {
      const weight = v128.load32_splat(weights + p * 4);
      a = mac(a, weight, value);
      b = mac(b, weight, value + 16);
      c = mac(c, weight, value + 32);
      d = mac(d, weight, value + 48);
      e = mac(e, weight, value + 64);
      f = mac(f, weight, value + 80);
      g = mac(g, weight, value + 96);
      h = mac(h, weight, value + 112);
      value += stride;
    }
  }
  v128.store(to, a);
  v128.store(to, b, 16);
  v128.store(to, c, 32);
  v128.store(to, d, 48);
  v128.store(to, e, 64);
  v128.store(to, f, 80);
  v128.store(to, g, 96);
  v128.store(to, h, 112);
}

// Weighted values of 4 dimensions.
function mixOne(
  op: usize,
  table: usize,
  start: u32,
  length: u32,
  weights: usize,
  offset: usize,
  stride: usize,
  to: usize,
): void {
  let sum = f32x4.splat(0);
  for (let first: u32 = 0; first < length; first += 16) {
    let value = blockAt(op, table, start + first) + offset;
    const end = min(first + 16, length);
    for (let p = first; p < end; p++) {
      sum = mac(sum, v128.load32_splat(weights + p * 4), value);
      value += stride;
    }
  }
  v128.store(to, sum);
}

// Joins the partial result of later positions, at `other`, into `slot`.
function join(slot: usize, other: usize, headDim: u32): void {
  const top = max(load<f32>(slot), load<f32>(other));
  const scale = exp1(load<f32>(slot) - top);
  const otherScale = exp1(load<f32>(other) - top);
  store<f32>(slot, top);
  store<f32>(slot, load<f32>(slot, 4) * scale + load<f32>(other, 4) * otherScale, 4);
  const scales = f32x4.splat(scale);
  const otherScales = f32x4.splat(otherScale);
  for (let at: usize = PARTIAL_HEAD; at < PARTIAL_HEAD + headDim * 4; at += 16) {
    const joined = f32x4.add(
      f32x4.mul(v128.load(slot + at), scales),
      f32x4.mul(v128.load(other + at), otherScales),
    );
    v128.store(slot + at, joined);
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
  for (let row = take(op, 1); row < count; row = take(op, 1)) {
    const position = load<u32>(load<usize>(op, 32) + row * 16, 4);
    const chunks: u32 = isSplit ? position / CHUNK + 1 : 1;
    const y = load<usize>(op, 36) + row * heads * headDim * 4;
    for (let head: u32 = 0; head < heads; head++) {
      const slot = load<usize>(op, 16) + (row * heads + head) * spread * partialBytes;
      for (let c: u32 = 1; c < chunks; c++) join(slot, slot + c * partialBytes, headDim);
      const inverse = f32x4.splat(1 / load<f32>(slot, 4));
      const to = y + head * headDim * 4;
      for (let at: usize = 0; at < headDim * 4; at += 16) {
        v128.store(to + at, f32x4.mul(v128.load(slot + at, PARTIAL_HEAD), inverse));
      }
    }
    quantise(op, row, y, heads * headDim);
  }
}
