/** A model's weights as F32 in memory: four bytes a parameter, so for small models only. */

import type { ModelFile, TensorInfo } from "../../weights/model_file.ts";
import { dequantise } from "../../weights/tensor_types.ts";
import type { Matrix } from "./layers.ts";

/** Bytes read from the file at a time, at least one row. */
const PIECE_BYTES = 1 << 22;

export interface LayerWeights {
  readonly attentionNorm: Float32Array; // [hidden]
  readonly query: Matrix; // [heads * headDim, hidden]
  readonly key: Matrix; // [kvHeads * headDim, hidden]
  readonly value: Matrix; // [kvHeads * headDim, hidden]
  readonly attentionOutput: Matrix; // [hidden, heads * headDim]
  readonly feedForwardNorm: Float32Array; // [hidden]
  readonly gate: Matrix; // [feedForward, hidden]
  readonly up: Matrix; // [feedForward, hidden]
  readonly down: Matrix; // [hidden, feedForward]
}

export interface LlamaWeights {
  readonly embedding: Matrix; // [vocab, hidden]
  readonly layers: readonly LayerWeights[];
  readonly outputNorm: Float32Array; // [hidden]
  readonly output: Matrix; // [vocab, hidden]; the embedding itself where tied
}

/** Reads and dequantises every tensor of a llama model. */
export async function loadLlamaWeights(file: ModelFile): Promise<LlamaWeights> {
  const vector = async (name: string) => (await loadTensor(file, name)).data;
  const matrix = (name: string) => loadTensor(file, name);

  const embedding = await matrix("token_embd.weight");
  const layers: LayerWeights[] = [];
  for (let layer = 0; layer < file.shape.layers; layer++) {
    const prefix = `blk.${layer}.`;
    layers.push({
      attentionNorm: await vector(`${prefix}attn_norm.weight`),
      query: await matrix(`${prefix}attn_q.weight`),
      key: await matrix(`${prefix}attn_k.weight`),
      value: await matrix(`${prefix}attn_v.weight`),
      attentionOutput: await matrix(`${prefix}attn_output.weight`),
      feedForwardNorm: await vector(`${prefix}ffn_norm.weight`),
      gate: await matrix(`${prefix}ffn_gate.weight`),
      up: await matrix(`${prefix}ffn_up.weight`),
      down: await matrix(`${prefix}ffn_down.weight`),
    });
  }
  return {
    embedding,
    layers,
    outputNorm: await vector("output_norm.weight"),
    output: file.shape.isTied ? embedding : await matrix("output.weight"),
  };
}

async function loadTensor(file: ModelFile, name: string): Promise<Matrix> {
  const tensor = file.tensors.get(name);
  if (tensor === undefined) {
    throw new TypeError(`Cannot load tensor "${name}" of "${file.path}": the file has none`);
  }
  const inputs = tensor.shape[tensor.shape.length - 1];
  const outputs = tensor.shape.length === 1 ? 1 : tensor.shape[0];
  const data = new Float32Array(outputs * inputs);
  for await (const { firstRow, rows, bytes } of readRows(file, tensor, outputs)) {
    dequantise(tensor.type, bytes, data.subarray(firstRow * inputs, (firstRow + rows) * inputs));
  }
  return { data, outputs, inputs };
}

/** Whole rows, since a row is a whole number of quantised blocks. */
async function* readRows(file: ModelFile, tensor: TensorInfo, rowCount: number) {
  const rowBytes = tensor.byteLength / rowCount;
  const step = Math.max(1, Math.floor(PIECE_BYTES / rowBytes));
  for (let firstRow = 0; firstRow < rowCount; firstRow += step) {
    const rows = Math.min(step, rowCount - firstRow);
    const bytes = new Uint8Array(rows * rowBytes);
    await file.read(tensor, firstRow * rowBytes, bytes);
    yield { firstRow, rows, bytes };
  }
}
