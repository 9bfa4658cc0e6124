import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertThrows,
} from "@std/assert/mod.js";
import type { ModelFile, ModelShape, TensorInfo } from "../../weights/model_file.ts";
import { ReferenceModel } from "./reference_model.ts";

const SHAPE: ModelShape = {
  architecture: "llama",
  contextLength: 200,
  hidden: 8,
  feedForward: 12,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 2,
  vocab: 11,
  ropeTheta: 10_000,
  ropeDim: 2,
  rmsEpsilon: 1e-5,
  isTied: true,
};

Deno.test("ReferenceModel with zero layers' outputs gives the products of normed embeddings", async () => {
  const file = tinyModel({ zero: ["attn_output", "ffn_down"] });
  const model = await ReferenceModel.load(file);
  const logits = model.newSequence().forward(3);
  const embedding = file.values.get("token_embd.weight")!;
  const x = embedding.subarray(3 * 8, 4 * 8);
  const scale = 1 / Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / 8 + SHAPE.rmsEpsilon);
  const norm = file.values.get("output_norm.weight")!;
  for (let token = 0; token < SHAPE.vocab; token++) {
    const expected = x.reduce(
      (sum, v, i) => sum + v * scale * norm[i] * embedding[token * 8 + i],
      0,
    );
    assertAlmostEquals(logits[token], expected, 1e-5);
  }
});

Deno.test("ReferenceModel takes an untied output matrix from the file", async () => {
  const tied = await ReferenceModel.load(tinyModel());
  const untied = await ReferenceModel.load(tinyModel({ shape: { isTied: false } }));
  const [a, b] = [tied.newSequence().forward(1), untied.newSequence().forward(1)];
  assert(a.some((logit, token) => Math.abs(logit - b[token]) > 1e-3));
});

Deno.test("ReferenceModel.load() names the tensor that is missing", async () => {
  const file = tinyModel({ without: "blk.1.ffn_up.weight" });
  await assertRejects(() => ReferenceModel.load(file), TypeError, "blk.1.ffn_up.weight");
});

Deno.test("ReferenceSequence.forwardPrompt() ends with the logits of token by token", async () => {
  const model = await ReferenceModel.load(tinyModel());
  const tokens = [5, 1, 9, 9, 0, 2];
  const single = model.newSequence();
  const byToken = tokens.map((token) => single.forward(token));
  const prompt = model.newSequence();
  assertEquals(prompt.forwardPrompt(tokens), byToken[tokens.length - 1]);
  assertEquals(prompt.length, tokens.length);
  assertEquals(prompt.forward(4), single.forward(4));
});

Deno.test("ReferenceSequence attends to earlier tokens and their order", async () => {
  const model = await ReferenceModel.load(tinyModel());
  const after = (tokens: number[]) => model.newSequence().forwardPrompt(tokens);
  const base = after([1, 2, 3]);
  for (const other of [[4, 2, 3], [2, 1, 3], [2, 3]]) {
    assert(after(other).some((logit, token) => Math.abs(logit - base[token]) > 1e-5));
  }
});

Deno.test("ReferenceSequence shares nothing with another sequence of the model", async () => {
  const model = await ReferenceModel.load(tinyModel());
  const alone = model.newSequence();
  const expected = [1, 2, 3].map((token) => alone.forward(token));
  const [one, two] = [model.newSequence(), model.newSequence()];
  for (const [index, token] of [1, 2, 3].entries()) {
    two.forward(7);
    assertEquals(one.forward(token), expected[index]);
  }
});

Deno.test("ReferenceSequence remembers its first token after its cache grew", async () => {
  const model = await ReferenceModel.load(tinyModel());
  const tokens = Array.from({ length: 150 }, (_, i) => i % SHAPE.vocab);
  const [a, b] = [model.newSequence(), model.newSequence()];
  const last = a.forwardPrompt(tokens);
  const other = b.forwardPrompt([6, ...tokens.slice(1)]);
  assert(last.every(Number.isFinite));
  assert(last.some((logit, token) => logit !== other[token]));
});

Deno.test("ReferenceSequence refuses what does not fit: context, vocabulary, an empty prompt", async () => {
  const model = await ReferenceModel.load(tinyModel({ shape: { contextLength: 2 } }));
  const sequence = model.newSequence();
  assertThrows(() => sequence.forward(SHAPE.vocab), RangeError, "vocabulary has 11");
  assertThrows(() => sequence.forwardPrompt([]), RangeError, "no tokens");
  sequence.forwardPrompt([1, 2]);
  assertThrows(() => sequence.forward(3), RangeError, "context holds 2");
});

interface TinyModelOptions {
  readonly shape?: Partial<ModelShape>;
  /** Names whose tensors are zero. */
  readonly zero?: readonly string[];
  readonly without?: string;
}

/** An F32 model file in memory, with weights that are arbitrary but fixed. */
function tinyModel(
  { shape: change, zero = [], without }: TinyModelOptions = {},
): ModelFile & { values: Map<string, Float32Array> } {
  const shape = { ...SHAPE, ...change };
  const tensors = new Map<string, TensorInfo>();
  const values = new Map<string, Float32Array>();
  for (const [name, dimensions] of tensorShapes(shape)) {
    if (name === without) continue;
    const isZero = zero.some((part) => name.includes(part));
    const length = dimensions.reduce((a, b) => a * b);
    const data = Float32Array.from({ length }, (_, i) => {
      return isZero ? 0 : Math.sin(i * 12.9898 + name.length * 78.233 + values.size);
    });
    values.set(name, data);
    tensors.set(name, {
      name,
      type: "F32",
      shape: dimensions,
      fileOffset: 0,
      byteLength: data.byteLength,
    });
  }
  return {
    path: "tiny",
    shape,
    parameterCount: 0,
    metadata: new Map(),
    tensors,
    values,
    read: async (tensor, byteOffset, into) => {
      const data = values.get(tensor.name)!;
      into.set(new Uint8Array(data.buffer, byteOffset, into.length));
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

function tensorShapes(shape: ModelShape): [name: string, dimensions: number[]][] {
  const { hidden, feedForward, vocab, kvHeads, headDim, heads } = shape;
  const layer = (index: number): [string, number[]][] => [
    [`blk.${index}.attn_norm.weight`, [hidden]],
    [`blk.${index}.attn_q.weight`, [heads * headDim, hidden]],
    [`blk.${index}.attn_k.weight`, [kvHeads * headDim, hidden]],
    [`blk.${index}.attn_v.weight`, [kvHeads * headDim, hidden]],
    [`blk.${index}.attn_output.weight`, [hidden, heads * headDim]],
    [`blk.${index}.ffn_norm.weight`, [hidden]],
    [`blk.${index}.ffn_gate.weight`, [feedForward, hidden]],
    [`blk.${index}.ffn_up.weight`, [feedForward, hidden]],
    [`blk.${index}.ffn_down.weight`, [hidden, feedForward]],
  ];
  return [
    ["token_embd.weight", [vocab, hidden]],
    ["output_norm.weight", [hidden]],
    ...Array.from({ length: shape.layers }, (_, index) => layer(index)).flat(),
    ...(shape.isTied ? [] : [["output.weight", [vocab, hidden]] as [string, number[]]]),
  ];
}
