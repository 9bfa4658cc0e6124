// How a token is chosen: what shared/engine/sampling/sample_reference.ts defines.
//
// A logit is compared as an ordinary number: NaN as the lowest, infinities as the largest ones.
// Thresholds are found by halving an interval of float keys, keeping the candidates inside it. Which
// logits are candidates at all is seen four at a time: those above a bound which the threshold is
// known not to be below. Loops over many logits do not branch on each: that would be mispredicted.

import { scratchOf, take } from "./barrier";
import { exp4 } from "./exponential";

const LARGEST: f32 = 3.4028234663852886e38;
const NO_TOKEN: u32 = 0xffffffff;
// Logits of which one maximum is taken.
const GROUP: u32 = 32;

// Chooses a token for each sampled row. Parameters: logits, vocab, records, tokens. Records are 64
// bytes: temperature f64, topP f64, seed (low, high), position, topK.
export function sample(op: usize, control: usize, thread: u32): void {
  const count = load<u32>(load<usize>(op, 4));
  const vocab = load<u32>(op, 20);
  const scratch = scratchOf(control, thread);
  for (let row = take(op); row < count; row = take(op)) {
    const logits = load<usize>(op, 16) + row * vocab * 4;
    const record = load<usize>(op, 24) + row * 64;
    store<u32>(load<usize>(op, 28) + row * 4, choose(logits, vocab, record, scratch));
  }
}

@inline
function comparable4(v: v128): v128 {
  const finite = f32x4.pmax(f32x4.pmin(v, f32x4.splat(LARGEST)), f32x4.splat(-LARGEST));
  return v128.bitselect(finite, f32x4.splat(-LARGEST), f32x4.eq(v, v));
}

@inline
function comparable(value: f32): f32 {
  return value == value ? max(min(value, LARGEST), -LARGEST) : -LARGEST;
}

function choose(logits: usize, vocab: u32, record: usize, scratch: usize): u32 {
  const largest = largestOf(logits, vocab);
  const temperature = load<f64>(record);
  if (temperature == 0) return firstEqual(logits, vocab, largest);
  const topP = load<f64>(record, 8);
  const topK = load<u32>(record, 28);
  let lowest = -LARGEST;
  if (topK > 0 && topK < vocab) {
    const bound = topBound(logits, vocab, topK, scratch);
    const candidates = collect(logits, vocab, bound, scratch);
    lowest = threshold(scratch, scratch + vocab * 4, candidates, <f64>topK);
  }
  if (topP < 1) {
    const goal = topP * massOf(logits, vocab, lowest, largest, temperature);
    const bound = max(lowest, massBound(vocab, largest, temperature, topP));
    const candidates = collect(logits, vocab, bound, scratch);
    weigh(scratch, scratch + vocab * 4, candidates, largest, temperature);
    lowest = threshold(scratch, scratch + vocab * 4, candidates, goal);
  }
  return draw(logits, vocab, record, largest, lowest);
}

function largestOf(logits: usize, vocab: u32): f32 {
  let most = f32x4.splat(-LARGEST);
  let token: u32 = 0;
  for (; token + 4 <= vocab; token += 4) {
    most = f32x4.pmax(most, comparable4(v128.load(logits + token * 4)));
  }
  let largest = max(
    max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)),
    max(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)),
  );
  for (; token < vocab; token++) largest = max(largest, comparable(load<f32>(logits + token * 4)));
  return largest;
}

function firstEqual(logits: usize, vocab: u32, value: f32): u32 {
  for (let token: u32 = 0; token < vocab; token++) {
    if (comparable(load<f32>(logits + token * 4)) == value) return token;
  }
  return 0;
}

// At most the `count`-th largest logit: the `count`-th largest of the groups' maxima.
function topBound(logits: usize, vocab: u32, count: u32, scratch: usize): f32 {
  const groups = (vocab + GROUP - 1) / GROUP;
  if (count > groups) return -LARGEST;
  const weights = scratch + vocab * 4;
  for (let group: u32 = 0; group < groups; group++) {
    const first = group * GROUP;
    store<f32>(scratch + group * 4, largestOf(logits + first * 4, min(GROUP, vocab - first)));
    store<f32>(weights + group * 4, 1);
  }
  return threshold(scratch, weights, groups, <f64>count);
}

// A logit such that all those below it together weigh less than 1 - topP of the largest one alone.
function massBound(vocab: u32, largest: f32, temperature: f64, topP: f64): f32 {
  const range = Math.log(<f64>vocab / (1 - topP)) + 1;
  return <f32>max(<f64>largest - max(temperature, 1e-30) * range, -LARGEST);
}

// Candidates, logits of at least `lowest`: these at `values`, weights of 1 behind room for the whole
// vocabulary.
function collect(logits: usize, vocab: u32, lowest: f32, values: usize): u32 {
  const weights = values + vocab * 4;
  const bound = f32x4.splat(lowest);
  let count: u32 = 0;
  for (let token: u32 = 0; token < vocab; token += 4) {
    const at = logits + token * 4;
    if (!v128.any_true(f32x4.ge(comparable4(v128.load(at)), bound))) continue;
    for (let lane: u32 = 0; lane < min<u32>(4, vocab - token); lane++) {
      const value = comparable(load<f32>(at + lane * 4));
      store<f32>(values + count * 4, value);
      store<f32>(weights + count * 4, 1);
      count += u32(value >= lowest);
    }
  }
  return count;
}

// Shares of the softmax, unnormalised.
@inline
function shares(values: v128, top: v128, inverse: v128): v128 {
  return exp4(f32x4.mul(f32x4.sub(values, top), inverse));
}

@inline
function inverseOf(temperature: f64): v128 {
  return f32x4.splat(<f32>min(1 / temperature, 1e30));
}

// The sum of the shares of logits of at least `lowest`.
function massOf(logits: usize, vocab: u32, lowest: f32, largest: f32, temperature: f64): f64 {
  const inverse = inverseOf(temperature);
  const top = f32x4.splat(largest), bound = f32x4.splat(lowest);
  let even = f64x2.splat(0), odd = f64x2.splat(0);
  let token: u32 = 0;
  for (; token + 4 <= vocab; token += 4) {
    const values = comparable4(v128.load(logits + token * 4));
    const kept = v128.and(shares(values, top, inverse), f32x4.ge(values, bound));
    even = f64x2.add(even, f64x2.promote_low_f32x4(kept));
    odd = f64x2.add(odd, f64x2.promote_low_f32x4(v128.shuffle<i32>(kept, kept, 2, 3, 2, 3)));
  }
  const sums = f64x2.add(even, odd);
  let mass = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  for (; token < vocab; token++) {
    const value = comparable(load<f32>(logits + token * 4));
    if (value < lowest) continue;
    mass += <f64>f32x4.extract_lane(shares(f32x4.splat(value), top, inverse), 0);
  }
  return mass;
}

// Gives candidates their shares as weights.
function weigh(values: usize, weights: usize, count: u32, largest: f32, temperature: f64): void {
  const inverse = inverseOf(temperature);
  const top = f32x4.splat(largest);
  // Whole vectors: what lies behind the last candidate is overwritten or not read.
  for (let i: u32 = 0; i < count; i += 4) {
    v128.store(weights + i * 4, shares(v128.load(values + i * 4), top, inverse));
  }
}

// An integer that orders as the float does.
@inline
function keyOf(value: f32): i32 {
  const bits = reinterpret<i32>(value);
  return bits < 0 ? -(bits & 0x7fffffff) : bits;
}

@inline
function valueOf(key: i32): f32 {
  return reinterpret<f32>(key < 0 ? -key | <i32>0x80000000 : key);
}

// The largest t such that the candidates >= t weigh at least `goal`; the lowest where rounding
// leaves none.
function threshold(values: usize, weights: usize, candidates: u32, goal: f64): f32 {
  let count = candidates;
  let low = i32.MAX_VALUE;
  let high = i32.MIN_VALUE;
  for (let i: u32 = 0; i < count; i++) {
    const key = keyOf(load<f32>(values + i * 4));
    low = min(low, key);
    high = max(high, key);
  }
  let above: f64 = 0;
  while (low < high) {
    const middle = <i32>((<i64>low + <i64>high + 1) >> 1);
    const pivot = valueOf(middle);
    let mass: f64 = 0;
    for (let i: u32 = 0; i < count; i++) {
      const isAbove = load<f32>(values + i * 4) >= pivot;
      mass += <f64>select<f32>(load<f32>(weights + i * 4), 0, isAbove);
    }
    const isReached = above + mass >= goal;
    let kept: u32 = 0;
    for (let i: u32 = 0; i < count; i++) {
      const value = load<f32>(values + i * 4);
      store<f32>(values + kept * 4, value);
      store<f32>(weights + kept * 4, load<f32>(weights + i * 4));
      kept += u32((value >= pivot) == isReached);
    }
    count = kept;
    if (isReached) {
      low = middle;
    } else {
      high = middle - 1;
      above += mass;
    }
  }
  return valueOf(low);
}

// pcg4d, as in shared/engine/sampling/gumbel.ts; four tokens at once.
@inline
function hashTokens(record: usize, tokens: v128): v128 {
  let x = scrambled(v128.load32_splat(record, 16));
  let y = scrambled(v128.load32_splat(record, 20));
  let z = scrambled(v128.load32_splat(record, 24));
  let w = scrambled(tokens);
  x = i32x4.add(x, i32x4.mul(y, w));
  y = i32x4.add(y, i32x4.mul(z, x));
  z = i32x4.add(z, i32x4.mul(x, y));
  w = i32x4.add(w, i32x4.mul(y, z));
  x = v128.xor(x, i32x4.shr_u(x, 16));
  y = v128.xor(y, i32x4.shr_u(y, 16));
  z = v128.xor(z, i32x4.shr_u(z, 16));
  w = v128.xor(w, i32x4.shr_u(w, 16));
  x = i32x4.add(x, i32x4.mul(y, w));
  y = i32x4.add(y, i32x4.mul(z, x));
  z = i32x4.add(z, i32x4.mul(x, y));
  return i32x4.add(w, i32x4.mul(y, z));
}

@inline
function scrambled(word: v128): v128 {
  return i32x4.add(i32x4.mul(word, i32x4.splat(1664525)), i32x4.splat(1013904223));
}

// The largest logit / temperature + Gumbel number, of tokens whose logit is at least `lowest`.
//
// With v uniform in (0, 1), a token beats the best score so far only if v < exp(scaled - best):
// that is cheap to see for four tokens, and few pass it.
function draw(logits: usize, vocab: u32, record: usize, largest: f32, lowest: f32): u32 {
  const temperature = load<f64>(record);
  const inverse = inverseOf(temperature);
  const top = f32x4.splat(largest), bound = f32x4.splat(lowest);
  let bestToken = NO_TOKEN;
  let bestScore: f64 = -Infinity;
  for (let token: u32 = 0; token < vocab; token += 4) {
    const values = comparable4(v128.load(logits + token * 4));
    if (!v128.any_true(f32x4.ge(values, bound))) continue;
    const hashes = hashTokens(record, i32x4.add(i32x4.splat(token), i32x4(0, 1, 2, 3)));
    if (bestToken != NO_TOKEN) {
      const scaled = f32x4.mul(f32x4.sub(values, top), inverse);
      const limit = exp4(f32x4.sub(scaled, f32x4.splat(<f32>bestScore)));
      const share = f32x4.mul(f32x4.convert_i32x4_u(hashes), f32x4.splat(2.3280e-10));
      if (!v128.any_true(f32x4.le(share, limit))) continue;
    }
    for (let lane: u32 = 0; lane < min<u32>(4, vocab - token); lane++) {
      const id = token + lane;
      const value = comparable(load<f32>(logits + id * 4));
      if (value < lowest) continue;
      const hash = load<u32>(storeHashes(record, hashes) + lane * 4);
      const score = (<f64>value - <f64>largest) / temperature + gumbel(hash);
      if (score > bestScore) {
        bestScore = score;
        bestToken = id;
      }
    }
  }
  return bestToken;
}

// Four hashes behind the record's parameters.
@inline
function storeHashes(record: usize, hashes: v128): usize {
  v128.store(record, hashes, 32);
  return record + 32;
}

function gumbel(hash: u32): f64 {
  const v = (<f64>hash + 0.5) / 4294967296.0;
  return -Math.log(-Math.log1p(-v));
}
