/**
 * A llama model in plain TypeScript: what the device backends are compared with.
 *
 * One token at a time through F32 weights, as the paper has it. It is an oracle for tests with small
 * models (0.54 GB of memory and some 20 tokens/s for 135M parameters), not a way to serve them.
 */

import type { ModelFile, ModelShape } from "../../weights/model_file.ts";
import { attend, type LayerCache, linear, rmsNorm, rotate, swiglu } from "./layers.ts";
import { type LayerWeights, type LlamaWeights, loadLlamaWeights } from "./weights.ts";

/** Positions that a new sequence's cache has room for; it doubles as the sequence grows. */
const FIRST_CAPACITY = 64;

/** Weights in memory; sequences share them. */
export class ReferenceModel {
  readonly shape: ModelShape;
  readonly #weights: LlamaWeights;

  private constructor(shape: ModelShape, weights: LlamaWeights) {
    this.shape = shape;
    this.#weights = weights;
  }

  /** Dequantises the whole file into memory, 4 bytes a parameter. */
  static async load(file: ModelFile): Promise<ReferenceModel> {
    return new ReferenceModel(file.shape, await loadLlamaWeights(file));
  }

  newSequence(): ReferenceSequence {
    return new ReferenceSequence(this.shape, this.#weights);
  }
}

/** One sequence: its position and its KV cache. */
export class ReferenceSequence {
  readonly #shape: ModelShape;
  readonly #weights: LlamaWeights;
  readonly #caches: LayerCache[];
  #position = 0;

  constructor(shape: ModelShape, weights: LlamaWeights) {
    this.#shape = shape;
    this.#weights = weights;
    const values = FIRST_CAPACITY * shape.kvHeads * shape.headDim;
    this.#caches = weights.layers.map(() => ({
      keys: new Float32Array(values),
      values: new Float32Array(values),
    }));
  }

  /** Tokens so far, which is the position of the next one. */
  get length(): number {
    return this.#position;
  }

  /** Appends a token; returns the logits [vocab] of the one that follows it. */
  forward(token: number): Float32Array {
    return this.#logits(this.#append(token));
  }

  /** Appends a prompt; returns the logits [vocab] after its last token, saving the others' cost. */
  forwardPrompt(tokens: readonly number[]): Float32Array {
    if (tokens.length === 0) throw new RangeError("Cannot run a prompt: it has no tokens");
    const states = tokens.map((token) => this.#append(token));
    return this.#logits(states[states.length - 1]);
  }

  /** The residual stream after the last layer. [hidden] */
  #append(token: number): Float32Array {
    const { contextLength, hidden, vocab } = this.#shape;
    if (this.#position >= contextLength) {
      throw new RangeError(`Cannot append a token: the context holds ${contextLength}`);
    }
    if (!Number.isInteger(token) || token < 0 || token >= vocab) {
      throw new RangeError(`Cannot append token ${token}: the vocabulary has ${vocab}`);
    }
    const x = this.#weights.embedding.data.slice(token * hidden, (token + 1) * hidden);
    for (const [index, layer] of this.#weights.layers.entries()) {
      addTo(x, this.#attention(x, layer, index));
      addTo(x, this.#feedForward(x, layer));
    }
    this.#position++;
    return x;
  }

  #attention(x: Float32Array, layer: LayerWeights, index: number): Float32Array {
    const shape = this.#shape;
    const position = this.#position;
    const normed = rmsNorm(x, layer.attentionNorm, shape.rmsEpsilon); // [hidden]
    const query = linear(normed, layer.query); // [heads, headDim]
    const key = linear(normed, layer.key); // [kvHeads, headDim]
    const value = linear(normed, layer.value); // [kvHeads, headDim]
    rotate(query, position, shape);
    rotate(key, position, shape);

    const cache = withRoom(this.#caches[index], (position + 1) * key.length);
    this.#caches[index] = cache;
    cache.keys.set(key, position * key.length);
    cache.values.set(value, position * value.length);

    return linear(attend(query, cache, { position, shape }), layer.attentionOutput); // [hidden]
  }

  #feedForward(x: Float32Array, layer: LayerWeights): Float32Array {
    const normed = rmsNorm(x, layer.feedForwardNorm, this.#shape.rmsEpsilon); // [hidden]
    const inner = swiglu(linear(normed, layer.gate), linear(normed, layer.up)); // [feedForward]
    return linear(inner, layer.down); // [hidden]
  }

  #logits(x: Float32Array): Float32Array {
    const { outputNorm, output } = this.#weights;
    return linear(rmsNorm(x, outputNorm, this.#shape.rmsEpsilon), output);
  }
}

function addTo(x: Float32Array, y: Float32Array): void {
  for (let i = 0; i < x.length; i++) x[i] += y[i];
}

function withRoom(cache: LayerCache, values: number): LayerCache {
  return cache.keys.length >= values
    ? cache
    : { keys: doubled(cache.keys), values: doubled(cache.values) };
}

function doubled(array: Float32Array): Float32Array {
  const larger = new Float32Array(2 * array.length);
  larger.set(array);
  return larger;
}
