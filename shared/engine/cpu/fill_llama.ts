/** Reads all weights of a llama model into their planned places. */

import type { TensorInfo } from "../../weights/model_file.ts";
import { llamaMatrices, type llamaTensors } from "../llama_tensors.ts";
import type { LlamaWeights } from "./llama_program.ts";
import { fillMatrix, type FillTarget, fillVector, stagingBytes } from "./weight_panels.ts";

type LlamaTensors = ReturnType<typeof llamaTensors>;

/** Bytes of staging memory that filling any of the matrices needs. */
export function largestStaging(weights: LlamaWeights): number {
  return Math.max(...llamaMatrices(weights).map(stagingBytes));
}

/** Turns bytes read into the share of all, 0 to 1, and tells it. */
export function shareOf(
  tensors: LlamaTensors,
  tell: ((share: number) => void) | undefined,
): (bytes: number) => void {
  let total = 0;
  for (const stack of llamaMatrices(tensors)) {
    for (const tensor of stack.tensors) total += tensor.byteLength;
  }
  let done = 0;
  return (bytes) => {
    done += bytes;
    tell?.(done / total);
  };
}

/** Fills matrices and vectors. */
export async function fillLlama(
  tensors: LlamaTensors,
  weights: LlamaWeights,
  target: FillTarget,
): Promise<void> {
  const vector = (tensor: TensorInfo, address: number) => fillVector(tensor, address, target);
  for (const matrix of llamaMatrices(weights)) await fillMatrix(matrix, target);
  for (const [i, layer] of weights.layers.entries()) {
    await vector(tensors.layers[i].attentionNorm, layer.attentionNorm);
    await vector(tensors.layers[i].feedForwardNorm, layer.feedForwardNorm);
  }
  await vector(tensors.outputNorm, weights.outputNorm);
}
