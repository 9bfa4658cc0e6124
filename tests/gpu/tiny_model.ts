/** A small random llama model in memory, with the tensor types that a test asks for. */

import {
  tensorReader,
  type TestTensor,
  testTensor,
} from "../../shared/engine/webgpu/test_tensor.ts";
import type { ModelFile, ModelShape, TensorType } from "../../shared/weights/model_file.ts";

export interface TinyModelOptions {
  readonly shape?: Partial<ModelShape>;
  /** Type of a tensor by the part of its name that tells its kind, such as "attn_v". */
  readonly types?: Readonly<Record<string, TensorType>>;
  /** Type of the other matrices. */
  readonly type?: TensorType;
}

const SHAPE: ModelShape = {
  architecture: "llama",
  contextLength: 512,
  hidden: 96,
  feedForward: 160,
  layers: 2,
  heads: 6,
  kvHeads: 2,
  headDim: 16,
  vocab: 75,
  ropeTheta: 10_000,
  ropeDim: 16,
  rmsEpsilon: 1e-5,
  isTied: true,
};

export function tinyModel(options: TinyModelOptions = {}): ModelFile {
  const shape: ModelShape = { ...SHAPE, ...options.shape };
  const tensors: TestTensor[] = [];
  const add = (name: string, rows: number, columns?: number) => {
    const kind = name.split(".").at(-1) ?? name;
    const type = columns === undefined ? "F32" : options.types?.[kind] ?? options.type ?? "Q8_0";
    const tensor = testTensor(type, [rows, columns ?? 1], tensors.length + 1);
    const info = {
      ...tensor.info,
      name: `${name}.weight`,
      shape: columns === undefined ? [rows] : [rows, columns],
    };
    tensors.push({ ...tensor, info });
  };
  const { hidden, feedForward, heads, kvHeads, headDim, vocab } = shape;
  add("token_embd", vocab, hidden);
  for (let layer = 0; layer < shape.layers; layer++) {
    const name = (kind: string) => `blk.${layer}.${kind}`;
    add(name("attn_norm"), hidden);
    add(name("attn_q"), heads * headDim, hidden);
    add(name("attn_k"), kvHeads * headDim, hidden);
    add(name("attn_v"), kvHeads * headDim, hidden);
    add(name("attn_output"), hidden, heads * headDim);
    add(name("ffn_norm"), hidden);
    add(name("ffn_gate"), feedForward, hidden);
    add(name("ffn_up"), feedForward, hidden);
    add(name("ffn_down"), hidden, feedForward);
  }
  add("output_norm", hidden);
  if (!shape.isTied) add("output", vocab, hidden);
  const { read } = tensorReader(tensors);
  return {
    path: "tiny.gguf",
    shape,
    parameterCount: tensors.reduce((sum, { values }) => sum + values.length, 0),
    metadata: new Map(),
    tensors: new Map(tensors.map(({ info }) => [info.name, info])),
    read,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
