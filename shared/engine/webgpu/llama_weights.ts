/** The weights of a llama model on the device: planned, allocated, then filled from the file. */

import type { ModelFile, TensorInfo } from "../../weights/model_file.ts";
import { dequantise } from "../../weights/tensor_types.ts";
import { type Llama, llamaMatrices, llamaTensors, mapLlama } from "../llama_tensors.ts";
import type { Gpu } from "./device.ts";
import {
  allocateMatrix,
  fillMatrix,
  type MatrixPlan,
  planMatrix,
  type PlanOptions,
  type WeightMatrix,
} from "./weight_matrix.ts";

export type LlamaPlan = Llama<MatrixPlan, TensorInfo>;
export type LlamaWeights = Llama<WeightMatrix, GPUBuffer>;

/** Plans the weights of `file`. Throws a DeviceError where the kernels cannot take them. */
export function planLlama(file: ModelFile, options: PlanOptions): LlamaPlan {
  return mapLlama(llamaTensors(file), {
    matrix: ({ label, tensors }) => planMatrix(label, tensors, options),
    vector: (tensor) => tensor,
  });
}

/** Bytes of the planned matrices in device memory. */
export function planDeviceBytes(plan: LlamaPlan): number {
  return llamaMatrices(plan).reduce((sum, matrix) => sum + matrix.deviceBytes, 0);
}

/** Creates every buffer of the plan; the buffers hold zeros until `fillLlama` has run. */
export function allocateLlama(gpu: Gpu, plan: LlamaPlan): LlamaWeights {
  return mapLlama(plan, {
    matrix: (matrix) => allocateMatrix(gpu, matrix),
    vector: (tensor) => gpu.storage(tensor.name, tensor.shape[0] * 4),
  });
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
  const total = llamaMatrices(plan).reduce((sum, matrix) => sum + matrix.fileBytes, 0);
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
