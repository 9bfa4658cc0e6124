/** A llama model of a few hundred weights as a GGUF file, and temporary files to put it in. */

import { encodeGguf, type GgufTensor, type GgufValue } from "../gguf_writer.ts";

export interface TinyLlama {
  readonly metadata: Map<string, GgufValue>;
  readonly tensors: Map<string, GgufTensor>;
}

/** Hidden 8, feed-forward 12, 2 layers, 4 heads over 2 KV heads, 11 tokens, tied; all F32. */
export function tinyLlama(): TinyLlama {
  const metadata = new Map<string, GgufValue>([
    ["general.architecture", { type: "string", value: "llama" }],
    ["llama.block_count", { type: "u32", value: 2 }],
    ["llama.context_length", { type: "u32", value: 64 }],
    ["llama.embedding_length", { type: "u32", value: 8 }],
    ["llama.feed_forward_length", { type: "u32", value: 12 }],
    ["llama.attention.head_count", { type: "u32", value: 4 }],
    ["llama.attention.head_count_kv", { type: "u32", value: 2 }],
    ["llama.attention.layer_norm_rms_epsilon", { type: "f32", value: 0.5 }],
  ]);
  const shapes: [string, number[]][] = [["token_embd", [11, 8]], ["output_norm", [8]]];
  for (let layer = 0; layer < 2; layer++) {
    shapes.push(
      [`blk.${layer}.attn_norm`, [8]],
      [`blk.${layer}.attn_q`, [8, 8]],
      [`blk.${layer}.attn_k`, [4, 8]],
      [`blk.${layer}.attn_v`, [4, 8]],
      [`blk.${layer}.attn_output`, [8, 8]],
      [`blk.${layer}.ffn_norm`, [8]],
      [`blk.${layer}.ffn_gate`, [12, 8]],
      [`blk.${layer}.ffn_up`, [12, 8]],
      [`blk.${layer}.ffn_down`, [8, 12]],
    );
  }
  const tensors = new Map(
    shapes.map((
      [name, shape],
      seed,
    ) => [`${name}.weight`, f32Tensor(`${name}.weight`, shape, seed)]),
  );
  return { metadata, tensors };
}

/** A tensor of values that differ by place and by `seed`. */
export function f32Tensor(name: string, shape: readonly number[], seed: number): GgufTensor {
  const length = shape.reduce((product, size) => product * size, 1);
  const values = Float32Array.from({ length }, (_, index) => Math.sin(seed * 100 + index + 1));
  return { name, type: "F32", shape, bytes: () => onePiece(new Uint8Array(values.buffer)) };
}

/** A tensor of any type with zero bytes. */
export function zeroTensor(
  name: string,
  { type, shape, byteLength }: Pick<GgufTensor, "type" | "shape"> & { byteLength: number },
): GgufTensor {
  return { name, type, shape, bytes: () => onePiece(new Uint8Array(byteLength)) };
}

export async function* onePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The bytes of a model's file. */
export async function encodeTiny({ metadata, tensors }: TinyLlama): Promise<Uint8Array> {
  const pieces = encodeGguf({ metadata, tensors: [...tensors.values()] });
  return new Uint8Array(await new Response(ReadableStream.from(pieces)).arrayBuffer());
}

export interface TemporaryFile extends AsyncDisposable {
  readonly path: string;
}

/** A file that is removed when it is disposed. */
export async function temporaryFile(bytes: Uint8Array): Promise<TemporaryFile> {
  const path = await Deno.makeTempFile({ prefix: "baton-weights-" });
  await Deno.writeFile(path, bytes);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}
