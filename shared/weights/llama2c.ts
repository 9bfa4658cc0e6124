/**
 * Converts a llama2.c checkpoint (`model.bin`, version 0, float32) and its `tokenizer.bin` to GGUF.
 *
 * llama2.c and GGUF's llama both rotate interleaved pairs, so the weights are copied as they are:
 * only their order and their names change. Weights stream from file to file.
 *
 * `model.bin`, all little-endian: seven int32 (dim, hidden dim, layers, heads, KV heads, vocabulary,
 * context; a negative vocabulary says that the output matrix is not the embedding), then float32
 * tensors, each kind for all layers in a row: see `layOut`. Source: llama2.c `run.c`, `export.py`.
 */

import { writeFileAtomically, type WrittenFile } from "../download/mod.ts";
import { readAt } from "../download/read_at.ts";
import { ModelFileError } from "./errors.ts";
import { encodeGguf, type GgufTensor, type GgufValue } from "./gguf_writer.ts";
import { type Llama2cVocabulary, readLlama2cTokenizer } from "./llama2c_tokenizer.ts";

const HEADER_BYTES = 28;
const COPY_BYTES = 1 << 20;
/** The deepest llama has 126 layers. Bounds what is laid out before the file's size is compared. */
const MAX_LAYERS = 1024;
/** run.c computes with these; the format does not store them. */
const ROPE_THETA = 10_000;
const RMS_EPSILON = 1e-5;

export interface Llama2cConversion {
  readonly modelPath: string;
  readonly tokenizerPath: string;
  /** Replaced when it exists; appears only when it is complete. */
  readonly outputPath: string;
  /** The model's name in the GGUF metadata. */
  readonly name: string;
}

/**
 * Writes the GGUF file. Throws a ModelFileError when a source file is not what it should be, and a
 * DownloadError when the result cannot be written.
 */
export async function convertLlama2c(conversion: Llama2cConversion): Promise<WrittenFile> {
  const { modelPath, tokenizerPath, outputPath, name } = conversion;
  using model = await Deno.open(modelPath, { read: true });
  const config = await readConfig(model, modelPath);
  const vocabulary = await readLlama2cTokenizer(tokenizerPath, config.vocab);
  const content = {
    metadata: metadataOf(config, { name, vocabulary }),
    tensors: tensorsOf(config, model),
  };
  return await writeFileAtomically(outputPath, encodeGguf(content), {
    maxBytes: Number.MAX_SAFE_INTEGER,
  });
}

interface Llama2cConfig {
  readonly hidden: number;
  readonly feedForward: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly vocab: number;
  readonly contextLength: number;
  readonly isTied: boolean;
}

async function readConfig(model: Deno.FsFile, path: string): Promise<Llama2cConfig> {
  const header = new Uint8Array(HEADER_BYTES);
  const { size } = await model.stat();
  if (size < HEADER_BYTES) throw new ModelFileError(path, "it is too short for a llama2.c header");
  await readAt(model, 0, header);
  const [hidden, feedForward, layers, heads, kvHeads, signedVocab, contextLength] = new Int32Array(
    header.buffer,
  );
  const vocab = Math.abs(signedVocab);
  const config = {
    hidden,
    feedForward,
    layers,
    heads,
    kvHeads,
    vocab,
    contextLength,
    isTied: signedVocab > 0,
  };
  const isSane = [hidden, feedForward, layers, heads, kvHeads, vocab, contextLength]
    .every((count) => count >= 1 && count <= 1 << 24) &&
    layers <= MAX_LAYERS &&
    hidden % heads === 0 && heads % kvHeads === 0 && (hidden / heads) % 2 === 0;
  if (!isSane) {
    throw new ModelFileError(path, `its header is no llama2.c header: ${JSON.stringify(config)}`);
  }
  const expected = layOut(config).endOffset;
  if (size !== expected) {
    throw new ModelFileError(path, `its header asks for ${expected} bytes and it has ${size}`);
  }
  return config;
}

interface Placement {
  readonly name: string;
  readonly shape: readonly number[];
  readonly fileOffset: number;
}

/** Where each tensor lies in `model.bin`. */
function layOut(config: Llama2cConfig): { placements: Placement[]; endOffset: number } {
  const { hidden, feedForward, layers, heads, kvHeads, vocab, contextLength } = config;
  const headDim = hidden / heads;
  const kvDim = kvHeads * headDim;
  const placements: Placement[] = [];
  let fileOffset = HEADER_BYTES;

  function place(name: string, shape: readonly number[]): void {
    placements.push({ name, shape, fileOffset });
    fileOffset += byteLengthOf(shape);
  }
  function placeInLayers(kind: string, shape: readonly number[]): void {
    for (let layer = 0; layer < layers; layer++) place(`blk.${layer}.${kind}.weight`, shape);
  }

  place("token_embd.weight", [vocab, hidden]);
  placeInLayers("attn_norm", [hidden]);
  placeInLayers("attn_q", [hidden, hidden]);
  placeInLayers("attn_k", [kvDim, hidden]);
  placeInLayers("attn_v", [kvDim, hidden]);
  placeInLayers("attn_output", [hidden, hidden]);
  placeInLayers("ffn_norm", [hidden]);
  placeInLayers("ffn_gate", [feedForward, hidden]);
  placeInLayers("ffn_down", [hidden, feedForward]);
  placeInLayers("ffn_up", [feedForward, hidden]);
  place("output_norm.weight", [hidden]);
  // Two tables of RoPE factors that run.c skips too.
  fileOffset += 2 * byteLengthOf([contextLength, headDim / 2]);
  if (!config.isTied) place("output.weight", [vocab, hidden]);
  return { placements, endOffset: fileOffset };
}

function tensorsOf(config: Llama2cConfig, model: Deno.FsFile): GgufTensor[] {
  return layOut(config).placements.map(({ name, shape, fileOffset }) => ({
    name,
    type: "F32",
    shape,
    bytes: () => pieces(model, { fileOffset, byteLength: byteLengthOf(shape) }),
  }));
}

function metadataOf(
  config: Llama2cConfig,
  { name, vocabulary }: { name: string; vocabulary: Llama2cVocabulary },
): Map<string, GgufValue> {
  return new Map<string, GgufValue>([
    ["general.architecture", { type: "string", value: "llama" }],
    ["general.name", { type: "string", value: name }],
    ["general.file_type", { type: "u32", value: 0 }],
    ["llama.block_count", { type: "u32", value: config.layers }],
    ["llama.context_length", { type: "u32", value: config.contextLength }],
    ["llama.embedding_length", { type: "u32", value: config.hidden }],
    ["llama.feed_forward_length", { type: "u32", value: config.feedForward }],
    ["llama.attention.head_count", { type: "u32", value: config.heads }],
    ["llama.attention.head_count_kv", { type: "u32", value: config.kvHeads }],
    ["llama.attention.layer_norm_rms_epsilon", { type: "f32", value: RMS_EPSILON }],
    ["llama.rope.dimension_count", { type: "u32", value: config.hidden / config.heads }],
    ["llama.rope.freq_base", { type: "f32", value: ROPE_THETA }],
    ["llama.vocab_size", { type: "u32", value: config.vocab }],
    ["tokenizer.ggml.model", { type: "string", value: "llama" }],
    ["tokenizer.ggml.pre", { type: "string", value: "default" }],
    ["tokenizer.ggml.tokens", { type: "string[]", value: vocabulary.tokens }],
    ["tokenizer.ggml.scores", { type: "f32[]", value: vocabulary.scores }],
    ["tokenizer.ggml.token_type", { type: "i32[]", value: vocabulary.types }],
    ["tokenizer.ggml.unknown_token_id", { type: "u32", value: 0 }],
    ["tokenizer.ggml.bos_token_id", { type: "u32", value: 1 }],
    ["tokenizer.ggml.eos_token_id", { type: "u32", value: 2 }],
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: true }],
    ["tokenizer.ggml.add_eos_token", { type: "bool", value: false }],
    ["tokenizer.ggml.add_space_prefix", { type: "bool", value: true }],
  ]);
}

function byteLengthOf(shape: readonly number[]): number {
  return 4 * shape.reduce((product, size) => product * size, 1);
}

async function* pieces(
  file: Deno.FsFile,
  { fileOffset, byteLength }: { fileOffset: number; byteLength: number },
): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < byteLength; done += COPY_BYTES) {
    const piece = new Uint8Array(Math.min(COPY_BYTES, byteLength - done));
    const filled = await readAt(file, fileOffset + done, piece);
    if (filled < piece.length) {
      throw new Error(`Cannot read past byte ${fileOffset + done + filled}: the file ended`);
    }
    yield piece;
  }
}
