/** The weights of a llama model on the device: planned, allocated, then filled from the file. */

import type { ModelFile, TensorInfo } from "../../weights/model_file.ts";
import { dequantise } from "../../weights/tensor_types.ts";
import { DeviceError } from "../backend.ts";
import type { Gpu } from "./device.ts";
import {
  allocateMatrix,
  fillMatrix,
  type MatrixPlan,
  planMatrix,
  type PlanOptions,
  type WeightMatrix,
} from "./weight_matrix.ts";

/** The weights of one layer, with `M` a matrix and `V` a vector. */
interface Layer<M, V> {
  readonly attentionNorm: V;
  /** Queries, keys and values stacked. [(heads + 2 * kvHeads) * headDim, hidden] */
  readonly qkv: M;
  readonly attentionOutput: M;
  readonly feedForwardNorm: V;
  /** Gate and up stacked. [2 * feedForward, hidden] */
  readonly gateUp: M;
  readonly down: M;
}

interface Llama<M, V> {
  readonly embedding: M;
  readonly layers: readonly Layer<M, V>[];
  readonly outputNorm: V;
  /** The embedding where the model is tied. */
  readonly output: M;
}

export type LlamaPlan = Llama<MatrixPlan, TensorInfo>;
export type LlamaWeights = Llama<WeightMatrix, GPUBuffer>;

/** Plans the weights of `file`. Throws a DeviceError where the kernels cannot take them. */
export function planLlama(file: ModelFile, options: PlanOptions): LlamaPlan {
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
  const matrix = (label: string, ...names: string[]) =>
    planMatrix(label, names.map(tensor), options);
  const embedding = matrix("token_embd", "token_embd");
  const layers = Array.from({ length: file.shape.layers }, (_, i) => {
    const name = (part: string) => `blk.${i}.${part}`;
    return {
      attentionNorm: tensor(name("attn_norm")),
      qkv: matrix(name("attn_qkv"), name("attn_q"), name("attn_k"), name("attn_v")),
      attentionOutput: matrix(name("attn_output"), name("attn_output")),
      feedForwardNorm: tensor(name("ffn_norm")),
      gateUp: matrix(name("ffn_gate_up"), name("ffn_gate"), name("ffn_up")),
      down: matrix(name("ffn_down"), name("ffn_down")),
    };
  });
  const output = file.shape.isTied ? embedding : matrix("output", "output");
  return { embedding, layers, outputNorm: tensor("output_norm"), output };
}

/** Every matrix of a plan once. */
export function planMatrices(plan: LlamaPlan): MatrixPlan[] {
  const layers = plan.layers.flatMap((l) => [l.qkv, l.attentionOutput, l.gateUp, l.down]);
  return [...new Set([plan.embedding, ...layers, plan.output])];
}

/** Bytes of the planned matrices in device memory. */
export function planDeviceBytes(plan: LlamaPlan): number {
  return planMatrices(plan).reduce((sum, matrix) => sum + matrix.deviceBytes, 0);
}

/** Creates every buffer of the plan; the buffers hold zeros until `fillLlama` has run. */
export function allocateLlama(gpu: Gpu, plan: LlamaPlan): LlamaWeights {
  const vector = (tensor: TensorInfo) => gpu.storage(tensor.name, tensor.shape[0] * 4);
  const embedding = allocateMatrix(gpu, plan.embedding);
  const layers = plan.layers.map((layer) => ({
    attentionNorm: vector(layer.attentionNorm),
    qkv: allocateMatrix(gpu, layer.qkv),
    attentionOutput: allocateMatrix(gpu, layer.attentionOutput),
    feedForwardNorm: vector(layer.feedForwardNorm),
    gateUp: allocateMatrix(gpu, layer.gateUp),
    down: allocateMatrix(gpu, layer.down),
  }));
  const output = plan.output === plan.embedding ? embedding : allocateMatrix(gpu, plan.output);
  return { embedding, layers, outputNorm: vector(plan.outputNorm), output };
}

export interface FillOptions {
  readonly file: ModelFile;
  readonly plan: LlamaPlan;
  readonly weights: LlamaWeights;
  /** Called with the share of bytes read, 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

/** Reads all weights from the file, some MiB at a time. */
export async function fillLlama(gpu: Gpu, options: FillOptions): Promise<void> {
  const { file, plan, weights, onProgress } = options;
  const total = planMatrices(plan).reduce((sum, matrix) => sum + matrix.fileBytes, 0);
  let done = 0;
  const onRead = (bytes: number) => {
    done += bytes;
    onProgress?.(done / total);
  };
  const matrix = (target: WeightMatrix) => fillMatrix(gpu, target, { file, onRead });
  const vector = async (tensor: TensorInfo, target: GPUBuffer) => {
    const bytes = new Uint8Array(tensor.byteLength);
    await file.read(tensor, 0, bytes);
    const values = new Float32Array(tensor.shape[0]);
    dequantise(tensor.type, bytes, values);
    gpu.device.queue.writeBuffer(target, 0, values);
  };
  await matrix(weights.embedding);
  for (const [i, layer] of weights.layers.entries()) {
    await vector(plan.layers[i].attentionNorm, layer.attentionNorm);
    await matrix(layer.qkv);
    await matrix(layer.attentionOutput);
    await vector(plan.layers[i].feedForwardNorm, layer.feedForwardNorm);
    await matrix(layer.gateUp);
    await matrix(layer.down);
  }
  await vector(plan.outputNorm, weights.outputNorm);
  if (weights.output !== weights.embedding) await matrix(weights.output);
}
