/**
 * The layers of a llama model for one token, in plain code.
 *
 * Values are stored as F32 and summed in F64, in index order, so the reference's own rounding stays
 * far below the tolerances that backends are held to.
 */

import type { ModelShape } from "../../weights/model_file.ts";

/** A weight matrix. */
export interface Matrix {
  /** [outputs, inputs], inputs contiguous. */
  readonly data: Float32Array;
  readonly outputs: number;
  readonly inputs: number;
}

/** Keys and values of one layer and sequence, each [positions, kvHeads * headDim], keys rotated. */
export interface LayerCache {
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

/** `y[n] = sum over k of w[n, k] x[k]`: x is [inputs], y is [outputs]. */
export function linear(x: Float32Array, weight: Matrix): Float32Array {
  const { data: w, inputs, outputs } = weight;
  const y = new Float32Array(outputs);
  let n = 0;
  // Four independent sums keep the adder busy; each still runs over k in order.
  for (; n + 4 <= outputs; n += 4) {
    const a = n * inputs;
    const b = a + inputs;
    const c = b + inputs;
    const d = c + inputs;
    let sumA = 0, sumB = 0, sumC = 0, sumD = 0;
    for (let k = 0; k < inputs; k++) {
      const value = x[k];
      sumA += w[a + k] * value;
      sumB += w[b + k] * value;
      sumC += w[c + k] * value;
      sumD += w[d + k] * value;
    }
    y[n] = sumA;
    y[n + 1] = sumB;
    y[n + 2] = sumC;
    y[n + 3] = sumD;
  }
  for (; n < outputs; n++) y[n] = dot(x, 0, w.subarray(n * inputs, (n + 1) * inputs));
  return y;
}

/** `y[i] = w[i] x[i] / sqrt(mean(x^2) + epsilon)`: x, w and y are [hidden]. */
export function rmsNorm(x: Float32Array, weight: Float32Array, epsilon: number): Float32Array {
  const meanSquare = dot(x, 0, x) / x.length;
  const scale = 1 / Math.sqrt(meanSquare + epsilon);
  return x.map((value, i) => value * scale * weight[i]);
}

/** Rotates each head of `x` [heads, headDim] in place by its position: RoPE on pairs (2i, 2i + 1). */
export function rotate(x: Float32Array, position: number, shape: ModelShape): void {
  const { headDim, ropeDim, ropeTheta } = shape;
  for (let pair = 0; pair < ropeDim; pair += 2) {
    const angle = position * ropeTheta ** (-pair / ropeDim);
    const cos = Math.cos(angle);
    const sin = Math.sin(angle);
    for (let at = pair; at < x.length; at += headDim) {
      const [real, imaginary] = [x[at], x[at + 1]];
      x[at] = real * cos - imaginary * sin;
      x[at + 1] = real * sin + imaginary * cos;
    }
  }
}

/**
 * Attention of one query `q` [heads, headDim] over positions 0 to `position` of the cache. Each group
 * of `heads / kvHeads` query heads shares one KV head. Returns [heads, headDim].
 */
export function attend(
  q: Float32Array,
  cache: LayerCache,
  { position, shape }: { position: number; shape: ModelShape },
): Float32Array {
  const { heads, kvHeads, headDim } = shape;
  const stride = kvHeads * headDim;
  const mixed = new Float32Array(heads * headDim);
  for (let head = 0; head < heads; head++) {
    const query = q.subarray(head * headDim, (head + 1) * headDim);
    const kvStart = Math.floor(head * kvHeads / heads) * headDim;
    const scores = new Float64Array(position + 1);
    for (let p = 0; p <= position; p++) {
      scores[p] = dot(cache.keys, p * stride + kvStart, query) / Math.sqrt(headDim);
    }
    const weights = softmax(scores);
    for (let i = 0; i < headDim; i++) {
      let sum = 0;
      for (let p = 0; p <= position; p++) {
        sum += weights[p] * cache.values[p * stride + kvStart + i];
      }
      mixed[head * headDim + i] = sum;
    }
  }
  return mixed;
}

/** `silu(gate) * up`, each [feedForward], with `silu(x) = x / (1 + exp(-x))`. */
export function swiglu(gate: Float32Array, up: Float32Array): Float32Array {
  return gate.map((value, i) => value / (1 + Math.exp(-value)) * up[i]);
}

function softmax(scores: Float64Array): Float64Array {
  const largest = scores.reduce((a, b) => Math.max(a, b));
  const exponentials = scores.map((score) => Math.exp(score - largest));
  const sum = exponentials.reduce((a, b) => a + b);
  return exponentials.map((value) => value / sum);
}

/** The product of `y` [n] with the n values of `x` from `xStart` on. */
function dot(x: Float32Array, xStart: number, y: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < y.length; i++) sum += x[xStart + i] * y[i];
  return sum;
}
