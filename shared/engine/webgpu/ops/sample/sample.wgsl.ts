/**
 * Kernels of the sampling op. `shared/engine/sampling/sample_reference.ts` defines what they compute.
 *
 * Logits are read as bits and compared as ordered integers, so NaN and infinities need no float
 * comparison. Probability mass is summed in whole units, so neither the order of atomics nor the
 * batch changes a result. Bindings are declared once; each kernel uses those it names.
 */

/** Threads of `partial_argmax` for one row: each leaves one candidate. */
export const CANDIDATES = 1024;
/** Workgroup size of `partial_argmax`. */
export const PARTIAL_WORKGROUP = 64;
/** 64-bit sums of 28-bit masses hold this many tokens; also keeps each loop far below 65,535 trips. */
export const MAX_VOCAB = 262_144;

export const SAMPLE_WGSL = /* wgsl */ `
override vocab: u32;

const CANDIDATES = ${CANDIDATES}u;
const WIDTH = 256u;                  // threads of a one-row workgroup, and bins of a histogram
const NO_TOKEN = 0xffffffffu;
const LARGEST_FLOAT_BITS = 0x7f7fffff;
const MASS_OF_LARGEST = 268435440.0; // the most likely token's mass: the largest f32 below 2^28
const HOPELESS = -26.5;              // below it no Gumbel number makes up for the distance

struct Row {
  seed: vec2u,
  position: u32,
  top_k: u32,
  top_p: f32,
  inverse_temperature: f32,          // 0: greedy
}

@group(0) @binding(0) var<storage, read> logits: array<u32>;                // [rows, vocab], f32 bits
@group(0) @binding(1) var<storage, read> rows: array<Row>;                  // [rows]
@group(0) @binding(2) var<storage, read_write> candidates: array<vec2u>;    // [rows, CANDIDATES]
@group(0) @binding(3) var<storage, read_write> tokens: array<u32>;          // [rows]

// An integer that orders as the float does: NaN lowest, infinities clamped, -0 equal to 0.
fn ordered(bits: u32) -> u32 {
  let magnitude = i32(bits & 0x7fffffffu);
  let signed = select(magnitude, -magnitude, (bits >> 31u) == 1u);
  let is_nan = magnitude > 0x7f800000;
  let finite = clamp(signed, -LARGEST_FLOAT_BITS, LARGEST_FLOAT_BITS);
  return bitcast<u32>(select(finite, -LARGEST_FLOAT_BITS, is_nan)) ^ 0x80000000u;
}

fn float_of(key: u32) -> f32 {
  let signed = bitcast<i32>(key ^ 0x80000000u);
  return bitcast<f32>(select(u32(signed), u32(-signed) | 0x80000000u, signed < 0));
}

fn better(a: vec2u, b: vec2u) -> vec2u {   // (key, token): the larger key, then the lower token
  return select(a, b, b.x > a.x || (b.x == a.x && b.y < a.y));
}

// ---- argmax of every row: many threads leave candidates, one workgroup takes the best

@compute @workgroup_size(${PARTIAL_WORKGROUP})
fn partial_argmax(@builtin(global_invocation_id) id: vec3u) {
  let first = id.y * vocab;
  var best = vec2u(0u, NO_TOKEN);
  for (var token = id.x; token < vocab; token += CANDIDATES) {
    let key = ordered(logits[first + token]);
    if (key > best.x) { best = vec2u(key, token); }
  }
  candidates[id.y * CANDIDATES + id.x] = best;
}

var<workgroup> contest: array<vec2u, WIDTH>;

// The best of all threads' pairs, in contest[0].
fn hold_contest(lane: u32, mine: vec2u) {
  contest[lane] = mine;
  workgroupBarrier();
  for (var stride = WIDTH / 2u; stride > 0u; stride >>= 1u) {
    if (lane < stride) { contest[lane] = better(contest[lane], contest[lane + stride]); }
    workgroupBarrier();
  }
}

@compute @workgroup_size(WIDTH)
fn final_argmax(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var best = vec2u(0u, NO_TOKEN);
  for (var i = lane; i < CANDIDATES; i += WIDTH) {
    best = better(best, candidates[group.x * CANDIDATES + i]);
  }
  hold_contest(lane, best);
  if (lane == 0u) { tokens[group.x] = contest[0].y; }
}

// ---- sampling of one row by one workgroup; tokens[row] holds the row's argmax

// pcg4d, as in shared/engine/sampling/gumbel.ts.
fn hash_token(seed: vec2u, position: u32, token: u32) -> u32 {
  var v = vec4u(seed, position, token) * 1664525u + 1013904223u;
  v.x += v.y * v.w; v.y += v.z * v.x; v.z += v.x * v.y; v.w += v.y * v.z;
  v ^= v >> vec4u(16u);
  v.x += v.y * v.w; v.y += v.z * v.x; v.z += v.x * v.y; v.w += v.y * v.z;
  return v.w;
}

// The winners have small v, where 1 - v would round: a series there instead of log(1 - v).
fn gumbel(hash: u32) -> f32 {
  let v = clamp(f32(hash), 0.5, 4294967040.0) * 0x1p-32;
  if (v < 0.0625) {
    let series = 1.0 + v * (1.0 / 2.0 + v * (1.0 / 3.0 + v * (1.0 / 4.0 + v * (1.0 / 5.0 + v / 6.0))));
    return -log(v * series);
  }
  return -log(-log(1.0 - v));
}

fn scaled_logit(row: Row, largest: f32, key: u32) -> f32 {
  return (float_of(key) - largest) * row.inverse_temperature;
}

var<workgroup> low_sums: array<atomic<u32>, WIDTH>;    // of weights' low 14 bits
var<workgroup> high_sums: array<atomic<u32>, WIDTH>;   // of weights' bits above
var<workgroup> prefix: u32;                            // digits of the threshold found so far
var<workgroup> above: vec2u;                           // weight of keys above every key with that prefix
var<workgroup> goal: f32;

fn carried(sum: vec2u) -> vec2u {
  return vec2u(sum.x & 0x3fffu, sum.y + (sum.x >> 14u));
}

fn weight_of(sum: vec2u) -> f32 {
  return f32(sum.y) * 16384.0 + f32(sum.x);
}

// The largest key t such that the keys >= t, of those >= lowest, weigh at least the goal: a radix
// search by 8-bit digits. A key weighs 1 (share < 0, the goal is count), or its mass (the goal is the
// share of all mass). The result is in prefix.
fn find_threshold(row: Row, first: u32, largest: f32, lane: u32, lowest: u32, count: u32, share: f32) {
  let is_by_mass = share >= 0.0;
  if (lane == 0u) {
    prefix = 0u;
    above = vec2u(0u);
    goal = f32(count);
  }
  for (var digit = 0u; digit < 4u; digit++) {
    let shift = 24u - 8u * digit;
    atomicStore(&low_sums[lane], 0u);
    atomicStore(&high_sums[lane], 0u);
    workgroupBarrier();
    for (var token = lane; token < vocab; token += WIDTH) {
      let key = ordered(logits[first + token]);
      // Two shifts: a shift by 32 is undefined.
      if (key >= lowest && ((key ^ prefix) >> shift) >> 8u == 0u) {
        let bin = (key >> shift) & 0xffu;
        if (!is_by_mass) {
          atomicAdd(&low_sums[bin], 1u);
        } else {
          let mass = u32(exp(scaled_logit(row, largest, key)) * MASS_OF_LARGEST + 0.5);
          if (mass > 0u) {
            atomicAdd(&low_sums[bin], mass & 0x3fffu);
            atomicAdd(&high_sums[bin], mass >> 14u);
          }
        }
      }
    }
    workgroupBarrier();
    if (lane == 0u) {
      if (is_by_mass && digit == 0u) {
        var total = vec2u(0u);
        for (var bin = 0u; bin < WIDTH; bin++) {
          total = carried(total + vec2u(atomicLoad(&low_sums[bin]), atomicLoad(&high_sums[bin])));
        }
        goal = max(weight_of(total) * share, 1.0);
      }
      for (var bin = WIDTH; bin > 0u; bin--) {
        let sums = vec2u(atomicLoad(&low_sums[bin - 1u]), atomicLoad(&high_sums[bin - 1u]));
        let reached = carried(above + sums);
        if (weight_of(reached) >= goal) {
          prefix |= (bin - 1u) << shift;
          break;
        }
        above = reached;
      }
    }
    workgroupBarrier();
  }
}

@compute @workgroup_size(WIDTH)
fn sample_row(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = rows[group.x];
  if (row.inverse_temperature == 0.0) { return; }
  let first = group.x * vocab;
  let largest = float_of(ordered(logits[first + tokens[group.x]]));
  var lowest = 0u;
  if (row.top_k > 0u && row.top_k < vocab) {
    find_threshold(row, first, largest, lane, lowest, row.top_k, -1.0);
    lowest = prefix;
    workgroupBarrier();
  }
  if (row.top_p < 1.0) {
    find_threshold(row, first, largest, lane, lowest, 0u, row.top_p);
    lowest = prefix;
  }
  var best = vec2u(0u, NO_TOKEN);
  for (var token = lane; token < vocab; token += WIDTH) {
    let key = ordered(logits[first + token]);
    let scaled = scaled_logit(row, largest, key);
    if (key >= lowest && scaled > HOPELESS) {
      let score = scaled + gumbel(hash_token(row.seed, row.position, token));
      best = better(best, vec2u(ordered(bitcast<u32>(score)), token));
    }
  }
  hold_contest(lane, best);
  if (lane == 0u) { tokens[group.x] = contest[0].y; }
}
`;
