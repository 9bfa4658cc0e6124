/** Which tensors of a file make up a llama model, and which of them lie stacked as one matrix. */

import type { ModelFile, TensorInfo } from "../weights/model_file.ts";
import { DeviceError } from "./backend.ts";

/** A llama model with `M` for each matrix and `V` for each vector. */
export interface Llama<M, V> {
  readonly embedding: M;
  readonly layers: readonly LlamaLayer<M, V>[];
  readonly outputNorm: V;
  /** The embedding where the model is tied. */
  readonly output: M;
}

export interface LlamaLayer<M, V> {
  readonly attentionNorm: V;
  /** Queries, keys and values stacked. [(heads + 2 * kvHeads) * headDim, hidden] */
  readonly qkv: M;
  readonly attentionOutput: M;
  readonly feedForwardNorm: V;
  /** Gate and up stacked. [2 * feedForward, hidden] */
  readonly gateUp: M;
  readonly down: M;
}

/** Tensors stacked by rows. */
export interface TensorStack {
  readonly label: string;
  readonly tensors: readonly TensorInfo[];
}

/** Finds the tensors of `file`. Throws a DeviceError where one is missing or kernels cannot take it. */
export function llamaTensors(file: ModelFile): Llama<TensorStack, TensorInfo> {
  const { headDim } = file.shape;
  if (headDim % 4 !== 0) {
    throw new DeviceError(
      `Cannot load ${file.path}: its head dimension is ${headDim}, and kernels take multiples of 4`,
    );
  }
  const tensor = (name: string) => {
    const info = file.tensors.get(`${name}.weight`);
    if (!info) throw new DeviceError(`Cannot load ${file.path}: it has no tensor ${name}.weight`);
    return info;
  };
  const stack = (label: string, ...names: string[]): TensorStack => {
    return { label, tensors: names.map(tensor) };
  };
  const embedding = stack("token_embd", "token_embd");
  const layers = Array.from({ length: file.shape.layers }, (_, i) => {
    const name = (part: string) => `blk.${i}.${part}`;
    return {
      attentionNorm: tensor(name("attn_norm")),
      qkv: stack(name("attn_qkv"), name("attn_q"), name("attn_k"), name("attn_v")),
      attentionOutput: stack(name("attn_output"), name("attn_output")),
      feedForwardNorm: tensor(name("ffn_norm")),
      gateUp: stack(name("ffn_gate_up"), name("ffn_gate"), name("ffn_up")),
      down: stack(name("ffn_down"), name("ffn_down")),
    };
  });
  const output = file.shape.isTied ? embedding : stack("output", "output");
  return { embedding, layers, outputNorm: tensor("output_norm"), output };
}

/** A model of the same form, with every matrix and vector replaced; each matrix once. */
export function mapLlama<M, V, N, W>(
  llama: Llama<M, V>,
  map: { readonly matrix: (from: M) => N; readonly vector: (from: V) => W },
): Llama<N, W> {
  const { matrix, vector } = map;
  const embedding = matrix(llama.embedding);
  const layers = llama.layers.map((layer) => ({
    attentionNorm: vector(layer.attentionNorm),
    qkv: matrix(layer.qkv),
    attentionOutput: matrix(layer.attentionOutput),
    feedForwardNorm: vector(layer.feedForwardNorm),
    gateUp: matrix(layer.gateUp),
    down: matrix(layer.down),
  }));
  const output = llama.output === llama.embedding ? embedding : matrix(llama.output);
  return { embedding, layers, outputNorm: vector(llama.outputNorm), output };
}

/** Every matrix of a model once. */
export function llamaMatrices<M>({ embedding, layers, output }: Llama<M, unknown>): M[] {
  const all = layers.flatMap((layer) => [
    layer.qkv,
    layer.attentionOutput,
    layer.gateUp,
    layer.down,
  ]);
  return [...new Set([embedding, ...all, output])];
}
