/**
 * From a GGUF header to the shape of a model that the engine can run.
 *
 * One entry per architecture: it reads the shape from metadata, and refuses whatever would change
 * the model's results without being computed by the engine (scaled RoPE, experts, biases, windows).
 * A file is refused rather than run almost right, so a tensor that nobody reads is an error too.
 */

import { ModelFileError } from "./errors.ts";
import type { GgufHeader } from "./gguf_header.ts";
import type { ModelShape, TensorInfo } from "./model_file.ts";

type ShapeReader = (header: GgufHeader, path: string) => ModelShape;

/** Add an architecture here: its GGUF name, and how its shape is read and checked. */
const SHAPE_READERS: ReadonlyMap<string, ShapeReader> = new Map([["llama", readLlamaShape]]);

/** Reads and checks the shape of the model in a file. Throws a ModelFileError. */
export function readModelShape(header: GgufHeader, path: string): ModelShape {
  const splits = header.metadata.get("split.count");
  if (typeof splits === "number" && splits > 1) {
    throw new ModelFileError(
      path,
      `it is one of ${splits} parts, join them first (llama-gguf-split --merge)`,
    );
  }
  const architecture = new Metadata(header.metadata, path).string("general.architecture");
  const readShape = SHAPE_READERS.get(architecture);
  if (readShape === undefined) {
    throw new ModelFileError(
      path,
      `its architecture is "${architecture}", supported: ${[...SHAPE_READERS.keys()].join(", ")}`,
    );
  }
  return readShape(header, path);
}

function readLlamaShape(header: GgufHeader, path: string): ModelShape {
  const metadata = new Metadata(header.metadata, path);
  refuseUnimplemented(metadata, header);
  const hidden = metadata.count("llama.embedding_length");
  const heads = metadata.count("llama.attention.head_count");
  const kvHeads = metadata.count("llama.attention.head_count_kv", heads);
  const layers = metadata.count("llama.block_count");
  if (hidden % heads !== 0) {
    throw metadata.error(
      `llama.embedding_length ${hidden} is no multiple of head_count ${heads}`,
    );
  }
  if (heads % kvHeads !== 0) {
    throw metadata.error(`${heads} heads cannot share ${kvHeads} KV heads evenly`);
  }
  const headDim = hidden / heads;
  for (const key of ["llama.attention.key_length", "llama.attention.value_length"]) {
    const length = metadata.count(key, headDim);
    if (length !== headDim) {
      throw metadata.error(
        `${key} is ${length}, only embedding_length / head_count = ${headDim} is supported`,
      );
    }
  }
  const ropeDim = metadata.count("llama.rope.dimension_count", headDim);
  if (ropeDim % 2 !== 0 || ropeDim > headDim) {
    throw metadata.error(
      `llama.rope.dimension_count is ${ropeDim}, an even number up to ${headDim} is needed`,
    );
  }
  const shape: ModelShape = {
    architecture: "llama",
    contextLength: metadata.count("llama.context_length"),
    hidden,
    feedForward: metadata.count("llama.feed_forward_length"),
    layers,
    heads,
    kvHeads,
    headDim,
    vocab: vocabularySize(metadata, header),
    ropeTheta: metadata.positive("llama.rope.freq_base", 10_000),
    ropeDim,
    rmsEpsilon: metadata.positive("llama.attention.layer_norm_rms_epsilon"),
    isTied: !header.tensors.has("output.weight"),
  };
  checkLlamaTensors(shape, header, path);
  return shape;
}

/** Settings of llama files that the engine does not compute, with the value that changes nothing. */
const NEUTRAL_SETTINGS: ReadonlyMap<string, readonly unknown[]> = new Map<
  string,
  readonly unknown[]
>([
  ["llama.rope.scaling.type", ["none"]],
  ["llama.rope.scaling.factor", [0, 1]],
  ["llama.rope.scale_linear", [1]],
  ["llama.expert_count", [0]],
  ["llama.attention.sliding_window", [0]],
  ["llama.attention.clamp_kqv", [0]],
  ["llama.attention.max_alibi_bias", [0]],
  ["llama.attention.causal", [true]],
  ["llama.attention.scale", [0]],
  ["llama.use_parallel_residual", [false]],
  ["llama.logit_scale", [0, 1]],
  ["llama.residual_scale", [0, 1]],
  ["llama.embedding_scale", [0, 1]],
]);

function refuseUnimplemented(metadata: Metadata, header: GgufHeader): void {
  for (const [key, neutral] of NEUTRAL_SETTINGS) {
    const value = header.metadata.get(key);
    if (value !== undefined && !neutral.includes(value)) {
      throw metadata.error(`${key} is ${value}, which the engine does not implement`);
    }
  }
  if (header.tensors.has("rope_freqs.weight")) {
    throw metadata.error(
      'it scales RoPE (tensor "rope_freqs.weight", as Llama 3.1 and later do), ' +
        "which the engine does not implement",
    );
  }
}

function vocabularySize(metadata: Metadata, header: GgufHeader): number {
  const embedding = header.tensors.get("token_embd.weight");
  if (embedding === undefined) throw metadata.error('tensor "token_embd.weight" is missing');
  const rows = embedding.shape[0];
  const stated = metadata.count("llama.vocab_size", rows);
  if (stated !== rows) {
    throw metadata.error(`llama.vocab_size is ${stated} and token_embd.weight has ${rows} rows`);
  }
  const tokens = header.metadata.get("tokenizer.ggml.tokens");
  if (Array.isArray(tokens) && tokens.length !== rows) {
    throw metadata.error(
      `its tokenizer has ${tokens.length} tokens and token_embd.weight has ${rows} rows`,
    );
  }
  return rows;
}

/** Every tensor of a llama model with its shape, `[rows, columns]` or `[n]`. */
function llamaTensorShapes(shape: ModelShape): Map<string, readonly number[]> {
  const { hidden, feedForward, kvHeads, headDim, vocab } = shape;
  const kvDim = kvHeads * headDim;
  const shapes = new Map<string, readonly number[]>([
    ["token_embd.weight", [vocab, hidden]],
    ["output_norm.weight", [hidden]],
  ]);
  if (!shape.isTied) shapes.set("output.weight", [vocab, hidden]);
  for (let layer = 0; layer < shape.layers; layer++) {
    const prefix = `blk.${layer}`;
    shapes.set(`${prefix}.attn_norm.weight`, [hidden]);
    shapes.set(`${prefix}.attn_q.weight`, [hidden, hidden]);
    shapes.set(`${prefix}.attn_k.weight`, [kvDim, hidden]);
    shapes.set(`${prefix}.attn_v.weight`, [kvDim, hidden]);
    shapes.set(`${prefix}.attn_output.weight`, [hidden, hidden]);
    shapes.set(`${prefix}.ffn_norm.weight`, [hidden]);
    shapes.set(`${prefix}.ffn_gate.weight`, [feedForward, hidden]);
    shapes.set(`${prefix}.ffn_up.weight`, [feedForward, hidden]);
    shapes.set(`${prefix}.ffn_down.weight`, [hidden, feedForward]);
  }
  return shapes;
}

function checkLlamaTensors(shape: ModelShape, header: GgufHeader, path: string): void {
  if (shape.layers > header.tensors.size) {
    throw new ModelFileError(
      path,
      `llama.block_count is ${shape.layers} and the file has only ${header.tensors.size} tensors`,
    );
  }
  const expected = llamaTensorShapes(shape);
  for (const [name, wanted] of expected) {
    const tensor = header.tensors.get(name);
    if (tensor === undefined) throw new ModelFileError(path, `tensor "${name}" is missing`);
    checkTensor(tensor, { wanted, path });
  }
  for (const name of header.tensors.keys()) {
    if (!expected.has(name)) {
      throw new ModelFileError(
        path,
        `it has the tensor "${name}", which a llama model of this engine does not use`,
      );
    }
  }
}

function checkTensor(
  tensor: TensorInfo,
  { wanted, path }: { wanted: readonly number[]; path: string },
): void {
  if (tensor.shape.join() !== wanted.join()) {
    throw new ModelFileError(
      path,
      `tensor "${tensor.name}" has the shape [${tensor.shape.join(", ")}], ` +
        `its metadata asks for [${wanted.join(", ")}]`,
    );
  }
  if (wanted.length === 1 && tensor.type !== "F32") {
    throw new ModelFileError(
      path,
      `tensor "${tensor.name}" has the type ${tensor.type}, norms must be F32`,
    );
  }
}

/** Largest count accepted from metadata: enough for every shape, and products stay exact. */
const MAX_COUNT = 2 ** 24;

/** Typed access to metadata; each failure names the key. */
class Metadata {
  readonly #values: ReadonlyMap<string, unknown>;
  readonly #path: string;

  constructor(values: ReadonlyMap<string, unknown>, path: string) {
    this.#values = values;
    this.#path = path;
  }

  error(problem: string): ModelFileError {
    return new ModelFileError(this.#path, problem);
  }

  string(key: string): string {
    const value = this.#require(key);
    if (typeof value !== "string") throw this.#wrongType(key, "a string");
    return value;
  }

  /** An integer from 1 to MAX_COUNT. */
  count(key: string, fallback?: number): number {
    const value = this.#require(key, fallback);
    const isCount = typeof value === "number" && Number.isInteger(value) && value >= 1 &&
      value <= MAX_COUNT;
    if (!isCount) throw this.#wrongType(key, `an integer from 1 to ${MAX_COUNT}`);
    return value;
  }

  /** A finite number above 0. */
  positive(key: string, fallback?: number): number {
    const value = this.#require(key, fallback);
    const isPositive = typeof value === "number" && Number.isFinite(value) && value > 0;
    if (!isPositive) throw this.#wrongType(key, "a number above 0");
    return value;
  }

  #require(key: string, fallback?: unknown): unknown {
    const value = this.#values.get(key) ?? fallback;
    if (value === undefined) throw this.error(`metadata key "${key}" is missing`);
    return value;
  }

  #wrongType(key: string, wanted: string): ModelFileError {
    const value = this.#values.get(key);
    const shown = Array.isArray(value) ? `an array of ${value.length}` : `${value}`.slice(0, 100);
    return this.error(`metadata key "${key}" is ${shown}, ${wanted} is needed`);
  }
}
