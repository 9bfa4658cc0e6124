// One chunk of positions by one head or by two that share keys and values.

import { exp1, exp4, sum4 } from "./exponential";

// Positions of a chunk.
export const CHUNK: u32 = 128;
const LOWEST: f32 = -3.4028234e38;
// Of a partial result: its largest score, its sum of weights, two unused; the weighted values
// follow.
export const PARTIAL_HEAD: u32 = 16;
// Bytes of a chunk's scores. Scratch holds two heads' scores, then their results.
const SCORES: usize = 512;

// The keys of the block that holds `position`, in this operation's layer.
@inline
export function blockAt(op: usize, table: usize, position: u32): usize {
  const block = load<u32>(table + (position >> 4) * 4);
  return load<usize>(op, 20) + block * load<u32>(op, 24) + load<u32>(op, 28);
}

// One chunk by `count` heads, 1 or 2, from head `head` of those that share `kvHead` on; nothing
// where the row's positions end before it.
export function attendChunk(
  op: usize,
  row: u32,
  kvHead: u32,
  head: u32,
  count: u32,
  chunk: u32,
  scratch: usize,
): void {
  const record = load<usize>(op, 32) + row * 16;
  const positions = load<u32>(record, 4) + 1;
  const start = chunk * CHUNK;
  if (start >= positions) return;
  const length = min(CHUNK, positions - start);
  const table = load<usize>(op, 36) + load<u32>(record, 8) * 4;
  const heads = load<u32>(op, 40);
  const kvHeads = load<u32>(op, 44);
  const headBytes = load<u32>(op, 48) * 4;
  const stride = kvHeads * headBytes;
  const headOffset = kvHead * headBytes;
  const first = kvHead * (heads / kvHeads) + head;
  const query = load<usize>(op, 16) + (row * (heads + 2 * kvHeads) + first) * headBytes;
  for (let p: u32 = 0; p < length; p += 4) {
    const keys = blockAt(op, table, start + p) + (p & 15) * stride + headOffset;
    const to = scratch + p * 4;
    if (count == 2) fourScoresOfTwo(query, query + headBytes, keys, stride, to);
    else fourScores(query, headBytes, keys, stride, to);
  }
  const header = load<usize>(op, 56);
  const isSplit = load<u32>(header, 16) != 0;
  const spread: u32 = isSplit ? load<u32>(header, 12) : 1;
  const partialBytes = PARTIAL_HEAD + headBytes;
  const slot = load<usize>(op, 52) +
    ((row * heads + first) * spread + (isSplit ? chunk : 0)) * partialBytes;
  // A chunk of its own goes to its slot at once; a later one is joined.
  const isFirst = isSplit || chunk == 0;
  const to = isFirst ? slot : scratch + 2 * SCORES;
  const step = isFirst ? spread * partialBytes : partialBytes;
  weigh(scratch, length, to);
  if (count == 2) weigh(scratch + SCORES, length, to + step);
  const values = 16 * stride + headOffset;
  const mixed = to + PARTIAL_HEAD;
  let at: u32 = 0;
  if (count == 2) {
    for (; at + 64 <= headBytes; at += 64) {
      mixFourOfTwo(op, table, start, length, scratch, values + at, stride, mixed + at, step);
    }
  } else {
    for (; at + 128 <= headBytes; at += 128) {
      mixEight(op, table, start, length, scratch, values + at, stride, mixed + at);
    }
  }
  for (; at < headBytes; at += 16) {
    mixOne(op, table, start, length, scratch, values + at, stride, mixed + at);
    if (count == 2) {
      mixOne(op, table, start, length, scratch + SCORES, values + at, stride, mixed + step + at);
    }
  }
  if (isFirst) return;
  join(slot, to, headBytes);
  if (count == 2) join(slot + partialBytes, to + step, headBytes);
}

// Scores become weights: e^(score - the largest), which with their sum goes to a partial result.
function weigh(scores: usize, length: u32, to: usize): void {
  let tops = f32x4.splat(LOWEST);
  for (let p: u32 = 0; p < length; p += 4) {
    let score = v128.load(scores + p * 4);
    if (p + 4 > length) {
      const isPast = i32x4.ge_s(i32x4.add(i32x4.splat(p), i32x4(0, 1, 2, 3)), i32x4.splat(length));
      score = v128.bitselect(f32x4.splat(LOWEST), score, isPast);
      v128.store(scores + p * 4, score);
    }
    tops = f32x4.pmax(tops, score);
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
}

// The sums of four vectors' lanes.
@inline
function sums(s0: v128, s1: v128, s2: v128, s3: v128): v128 {
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

// The products of a query with four neighbouring keys, in strides of 16 dimensions and then of 4.
function fourScores(query: usize, bytes: usize, keys: usize, stride: usize, to: usize): void {
  let s0 = f32x4.splat(0), s1 = f32x4.splat(0), s2 = f32x4.splat(0), s3 = f32x4.splat(0);
  let k1 = keys + stride, k2 = k1 + stride, k3 = k2 + stride;
  let q: v128;
  const end = query + bytes;
  while (query + 64 <= end) {
    q = v128.load(query);
    s0 = mac(s0, q, v128.load(keys)), s1 = mac(s1, q, v128.load(k1));
    s2 = mac(s2, q, v128.load(k2)), s3 = mac(s3, q, v128.load(k3));
    q = v128.load(query, 16);
    s0 = mac(s0, q, v128.load(keys, 16)), s1 = mac(s1, q, v128.load(k1, 16));
    s2 = mac(s2, q, v128.load(k2, 16)), s3 = mac(s3, q, v128.load(k3, 16));
    q = v128.load(query, 32);
    s0 = mac(s0, q, v128.load(keys, 32)), s1 = mac(s1, q, v128.load(k1, 32));
    s2 = mac(s2, q, v128.load(k2, 32)), s3 = mac(s3, q, v128.load(k3, 32));
    q = v128.load(query, 48);
    s0 = mac(s0, q, v128.load(keys, 48)), s1 = mac(s1, q, v128.load(k1, 48));
    s2 = mac(s2, q, v128.load(k2, 48)), s3 = mac(s3, q, v128.load(k3, 48));
    query += 64;
    keys += 64;
    k1 += 64;
    k2 += 64;
    k3 += 64;
  }
  while (query < end) {
    q = v128.load(query);
    s0 = mac(s0, q, v128.load(keys)), s1 = mac(s1, q, v128.load(k1));
    s2 = mac(s2, q, v128.load(k2)), s3 = mac(s3, q, v128.load(k3));
    query += 16;
    keys += 16;
    k1 += 16;
    k2 += 16;
    k3 += 16;
  }
  v128.store(to, sums(s0, s1, s2, s3));
}

// Those of two queries, one behind the other.
function fourScoresOfTwo(query: usize, other: usize, keys: usize, stride: usize, to: usize): void {
  let s0 = f32x4.splat(0), s1 = f32x4.splat(0), s2 = f32x4.splat(0), s3 = f32x4.splat(0);
  let t0 = f32x4.splat(0), t1 = f32x4.splat(0), t2 = f32x4.splat(0), t3 = f32x4.splat(0);
  let k1 = keys + stride, k2 = k1 + stride, k3 = k2 + stride;
  let q: v128, r: v128, key: v128;
  const end = other;
  while (query + 64 <= end) {
    q = v128.load(query), r = v128.load(other);
    key = v128.load(keys), s0 = mac(s0, q, key), t0 = mac(t0, r, key);
    key = v128.load(k1), s1 = mac(s1, q, key), t1 = mac(t1, r, key);
    key = v128.load(k2), s2 = mac(s2, q, key), t2 = mac(t2, r, key);
    key = v128.load(k3), s3 = mac(s3, q, key), t3 = mac(t3, r, key);
    q = v128.load(query, 16), r = v128.load(other, 16);
    key = v128.load(keys, 16), s0 = mac(s0, q, key), t0 = mac(t0, r, key);
    key = v128.load(k1, 16), s1 = mac(s1, q, key), t1 = mac(t1, r, key);
    key = v128.load(k2, 16), s2 = mac(s2, q, key), t2 = mac(t2, r, key);
    key = v128.load(k3, 16), s3 = mac(s3, q, key), t3 = mac(t3, r, key);
    q = v128.load(query, 32), r = v128.load(other, 32);
    key = v128.load(keys, 32), s0 = mac(s0, q, key), t0 = mac(t0, r, key);
    key = v128.load(k1, 32), s1 = mac(s1, q, key), t1 = mac(t1, r, key);
    key = v128.load(k2, 32), s2 = mac(s2, q, key), t2 = mac(t2, r, key);
    key = v128.load(k3, 32), s3 = mac(s3, q, key), t3 = mac(t3, r, key);
    q = v128.load(query, 48), r = v128.load(other, 48);
    key = v128.load(keys, 48), s0 = mac(s0, q, key), t0 = mac(t0, r, key);
    key = v128.load(k1, 48), s1 = mac(s1, q, key), t1 = mac(t1, r, key);
    key = v128.load(k2, 48), s2 = mac(s2, q, key), t2 = mac(t2, r, key);
    key = v128.load(k3, 48), s3 = mac(s3, q, key), t3 = mac(t3, r, key);
    query += 64;
    other += 64;
    keys += 64;
    k1 += 64;
    k2 += 64;
    k3 += 64;
  }
  while (query < end) {
    q = v128.load(query), r = v128.load(other);
    key = v128.load(keys), s0 = mac(s0, q, key), t0 = mac(t0, r, key);
    key = v128.load(k1), s1 = mac(s1, q, key), t1 = mac(t1, r, key);
    key = v128.load(k2), s2 = mac(s2, q, key), t2 = mac(t2, r, key);
    key = v128.load(k3), s3 = mac(s3, q, key), t3 = mac(t3, r, key);
    query += 16;
    other += 16;
    keys += 16;
    k1 += 16;
    k2 += 16;
    k3 += 16;
  }
  v128.store(to, sums(s0, s1, s2, s3));
  v128.store(to + SCORES, sums(t0, t1, t2, t3));
}

@inline
function mac(sum: v128, a: v128, b: v128): v128 {
  return f32x4.add(sum, f32x4.mul(a, b));
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
  let weight: v128;
  for (let first: u32 = 0; first < length; first += 16) {
    let value = blockAt(op, table, start + first) + offset;
    let at = weights + first * 4;
    const end = weights + min(first + 16, length) * 4;
    for (; at < end; at += 4) {
      weight = v128.load32_splat(at);
      a = mac(a, weight, v128.load(value));
      b = mac(b, weight, v128.load(value, 16));
      c = mac(c, weight, v128.load(value, 32));
      d = mac(d, weight, v128.load(value, 48));
      e = mac(e, weight, v128.load(value, 64));
      f = mac(f, weight, v128.load(value, 80));
      g = mac(g, weight, v128.load(value, 96));
      h = mac(h, weight, v128.load(value, 112));
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

// Those of 16 dimensions by two heads, whose results are `step` bytes apart.
function mixFourOfTwo(
  op: usize,
  table: usize,
  start: u32,
  length: u32,
  weights: usize,
  offset: usize,
  stride: usize,
  to: usize,
  step: usize,
): void {
  let a = f32x4.splat(0), b = f32x4.splat(0), c = f32x4.splat(0), d = f32x4.splat(0);
  let e = f32x4.splat(0), f = f32x4.splat(0), g = f32x4.splat(0), h = f32x4.splat(0);
  let v: v128, weight: v128, other: v128;
  for (let first: u32 = 0; first < length; first += 16) {
    let value = blockAt(op, table, start + first) + offset;
    let at = weights + first * 4;
    const end = weights + min(first + 16, length) * 4;
    for (; at + 8 <= end; at += 8) {
      weight = v128.load32_splat(at), other = v128.load32_splat(at, SCORES);
      v = v128.load(value), a = mac(a, weight, v), e = mac(e, other, v);
      v = v128.load(value, 16), b = mac(b, weight, v), f = mac(f, other, v);
      v = v128.load(value, 32), c = mac(c, weight, v), g = mac(g, other, v);
      v = v128.load(value, 48), d = mac(d, weight, v), h = mac(h, other, v);
      value += stride;
      weight = v128.load32_splat(at, 4), other = v128.load32_splat(at, SCORES + 4);
      v = v128.load(value), a = mac(a, weight, v), e = mac(e, other, v);
      v = v128.load(value, 16), b = mac(b, weight, v), f = mac(f, other, v);
      v = v128.load(value, 32), c = mac(c, weight, v), g = mac(g, other, v);
      v = v128.load(value, 48), d = mac(d, weight, v), h = mac(h, other, v);
      value += stride;
    }
    if (at < end) {
      weight = v128.load32_splat(at), other = v128.load32_splat(at, SCORES);
      v = v128.load(value), a = mac(a, weight, v), e = mac(e, other, v);
      v = v128.load(value, 16), b = mac(b, weight, v), f = mac(f, other, v);
      v = v128.load(value, 32), c = mac(c, weight, v), g = mac(g, other, v);
      v = v128.load(value, 48), d = mac(d, weight, v), h = mac(h, other, v);
    }
  }
  v128.store(to, a);
  v128.store(to, b, 16);
  v128.store(to, c, 32);
  v128.store(to, d, 48);
  v128.store(to + step, e);
  v128.store(to + step, f, 16);
  v128.store(to + step, g, 32);
  v128.store(to + step, h, 48);
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
      sum = mac(sum, v128.load32_splat(weights + p * 4), v128.load(value));
      value += stride;
    }
  }
  v128.store(to, sum);
}

// Joins the partial result of later positions, at `other`, into `slot`.
export function join(slot: usize, other: usize, headBytes: u32): void {
  const top = max(load<f32>(slot), load<f32>(other));
  const scale = exp1(load<f32>(slot) - top);
  const otherScale = exp1(load<f32>(other) - top);
  store<f32>(slot, top);
  store<f32>(slot, load<f32>(slot, 4) * scale + load<f32>(other, 4) * otherScale, 4);
  const scales = f32x4.splat(scale);
  const otherScales = f32x4.splat(otherScale);
  for (let at: usize = PARTIAL_HEAD; at < PARTIAL_HEAD + headBytes; at += 16) {
    const joined = f32x4.add(
      f32x4.mul(v128.load(slot + at), scales),
      f32x4.mul(v128.load(other + at), otherScales),
    );
    v128.store(slot + at, joined);
  }
}
