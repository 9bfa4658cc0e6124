/**
 * Exports a llama model from GGUF to ONNX, for ONNX Runtime: the same weights, the same graph.
 *
 * Matrices become MatMulNBits, requantised (see weight_blocks.ts). With 8 bits SmolLM2 writes the text
 * that its Q4_1 file stands for; with 4 symmetric ones, where the file has 4 too, it does not. The embedding stays F32. Attention is Microsoft's GroupQueryAttention with
 * its rotary embedding in halves, (i, i + headDim / 2), for which it is tuned; GGUF rotates neighbours,
 * (2i, 2i + 1), so the rows of queries and keys are reordered. Only a sequence's last token goes
 * through the output matrix.
 *
 * Inputs: input_ids i64 [batch, sequence], seqlens_k i32 [batch] (positions after this run, less one),
 * total_sequence_length i32, past.N.key and past.N.value f32 [batch, kvHeads, past, headDim].
 * Outputs: logits f32 [batch, 1, vocab], present.N.key and present.N.value.
 */

import { ropeTable } from "../../../shared/engine/rope_table.ts";
import {
  dequantise,
  type ModelFile,
  type ModelShape,
  type TensorInfo,
  type TensorType,
} from "../../../shared/weights/mod.ts";
import { llamaNodes } from "./llama_nodes.ts";
import { encodeGraph, encodeTensor, type OnnxTensor } from "./onnx_message.ts";
import { BLOCK_WEIGHTS, quantiseBlocks, type WeightBits } from "./weight_blocks.ts";

/** Weights that are dequantised at a time, in whole rows. */
const PIECE_WEIGHTS = 1 << 22;
/** Slice's "up to the end". */
const END = 2n ** 63n - 1n;

export interface ExportOptions {
  /** Bits of the matrices that have 4 in the file; others get 8. */
  readonly nibbleBits: WeightBits;
}

/** Yields the bytes of the ONNX file. Throws a RangeError where the model does not fit the graph. */
export async function* exportLlama(
  file: ModelFile,
  { nibbleBits }: ExportOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { shape } = file;
  if (shape.ropeDim !== shape.headDim) {
    throw new RangeError(
      `Cannot export ${file.path}: it rotates ${shape.ropeDim} of ${shape.headDim} dimensions of a head`,
    );
  }
  const bits = new Map(
    file.tensors.values().map(({ name, type }): [string, WeightBits] => {
      return [name, isNibbles(type) ? nibbleBits : 8];
    }),
  );
  yield encodeGraph({
    nodes: llamaNodes(shape, bits),
    inputs: [
      { name: "input_ids", type: "i64", dims: ["batch", "sequence"] },
      { name: "seqlens_k", type: "i32", dims: ["batch"] },
      { name: "total_sequence_length", type: "i32", dims: [1] },
      ...cacheValues(shape, "past"),
    ],
    outputs: [
      { name: "logits", type: "f32", dims: ["batch", 1, shape.vocab] },
      ...cacheValues(shape, "present"),
    ],
  });
  for (const tensor of constants(shape)) yield encodeTensor(tensor);
  for (const tensor of file.tensors.values()) {
    const isEmbedding = tensor.name === "token_embd.weight";
    if (!isMatrix(tensor) || isEmbedding) yield encodeTensor(await plainTensor(file, tensor));
    if (isMatrix(tensor) && (!isEmbedding || shape.isTied)) {
      const parts = await quantisedTensors(file, tensor, bits.get(tensor.name) ?? 8);
      for (const part of parts) yield encodeTensor(part);
    }
  }
}

function isMatrix(tensor: TensorInfo): boolean {
  return tensor.shape.length === 2;
}

/** Whether a tensor type has 4 bits a weight. */
export function isNibbles(type: TensorType): boolean {
  return type.startsWith("Q4");
}

function cacheValues(shape: ModelShape, side: "past" | "present") {
  const dims = ["batch", shape.kvHeads, `${side} length`, shape.headDim];
  return Array.from({ length: shape.layers }, (_, layer) => layer).flatMap((layer) =>
    ["key", "value"].map((kind) =>
      ({ name: `${side}.${layer}.${kind}`, type: "f32", dims }) as const
    )
  );
}

function constants(shape: ModelShape): OnnxTensor[] {
  const int64 = (name: string, value: bigint): OnnxTensor => {
    return { name, type: "i64", dims: [1], data: new Uint8Array(BigInt64Array.of(value).buffer) };
  };
  const table = ropeTable(shape.contextLength, shape);
  const cosine = table.filter((_, i) => i % 2 === 0);
  const sine = table.filter((_, i) => i % 2 === 1);
  const dims = [shape.contextLength, shape.headDim / 2];
  return [
    int64("last", -1n),
    int64("end", END),
    int64("sequence axis", 1n),
    { name: "cosine", type: "f32", dims, data: new Uint8Array(cosine.buffer) },
    { name: "sine", type: "f32", dims, data: new Uint8Array(sine.buffer) },
  ];
}

async function plainTensor(file: ModelFile, tensor: TensorInfo): Promise<OnnxTensor> {
  const weights = await readWeights(file, tensor);
  const { name, shape: dims } = tensor;
  return { name, type: "f32", dims, data: new Uint8Array(weights.buffer) };
}

async function quantisedTensors(
  file: ModelFile,
  tensor: TensorInfo,
  bits: WeightBits,
): Promise<OnnxTensor[]> {
  const { headDim } = file.shape;
  const [rows, columns] = tensor.shape;
  if (columns % BLOCK_WEIGHTS !== 0) {
    throw new RangeError(
      `Cannot export ${file.path}: the rows of ${tensor.name} have ${columns} weights, no multiple of ${BLOCK_WEIGHTS}`,
    );
  }
  const weights = await readWeights(file, tensor);
  const isRotated = /\.attn_[qk]\.weight$/.test(tensor.name);
  const ordered = isRotated ? rotatedInHalves(weights, { columns, headDim }) : weights;
  const { quants, scales } = quantiseBlocks(ordered, bits);
  const blocks = columns / BLOCK_WEIGHTS;
  return [
    {
      name: `${tensor.name} quants`,
      type: "u8",
      dims: [rows, blocks, BLOCK_WEIGHTS * bits / 8],
      data: quants,
    },
    {
      name: `${tensor.name} scales`,
      type: "f32",
      dims: [rows, blocks],
      data: new Uint8Array(scales.buffer),
    },
  ];
}

/** Rows of each head from neighbouring pairs to halves. */
function rotatedInHalves(
  weights: Float32Array<ArrayBuffer>,
  { columns, headDim }: { readonly columns: number; readonly headDim: number },
): Float32Array<ArrayBuffer> {
  const ordered = new Float32Array(weights.length);
  const half = headDim / 2;
  for (let row = 0; row < weights.length / columns; row++) {
    const head = row - row % headDim;
    const inHead = row % headDim;
    const from = head + (inHead < half ? 2 * inHead : 2 * (inHead - half) + 1);
    ordered.set(weights.subarray(from * columns, (from + 1) * columns), row * columns);
  }
  return ordered;
}

async function readWeights(
  file: ModelFile,
  tensor: TensorInfo,
): Promise<Float32Array<ArrayBuffer>> {
  const columns = tensor.shape[tensor.shape.length - 1];
  const rows = tensor.shape.length === 1 ? 1 : tensor.shape[0];
  const rowBytes = tensor.byteLength / rows;
  const weights = new Float32Array(rows * columns);
  const step = Math.max(1, Math.floor(PIECE_WEIGHTS / columns));
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const bytes = new Uint8Array(count * rowBytes);
    await file.read(tensor, row * rowBytes, bytes);
    dequantise(tensor.type, bytes, weights.subarray(row * columns, (row + count) * columns));
  }
  return weights;
}
