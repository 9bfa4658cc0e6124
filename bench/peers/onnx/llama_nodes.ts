/** The nodes of a llama forward pass in ONNX; see llama_onnx.ts. */

import type { ModelShape } from "../../../shared/weights/mod.ts";
import type { OnnxNode } from "./onnx_message.ts";
import { BLOCK_WEIGHTS, type WeightBits } from "./weight_blocks.ts";

/** Values between two layers, by name: the residual stream, and its norm for the next layer. */
interface Stream {
  readonly residual: string;
  readonly normed: string;
}

/** @param bits of the matrices, by tensor */
export function llamaNodes(
  shape: ModelShape,
  bits: ReadonlyMap<string, WeightBits>,
): readonly OnnxNode[] {
  const list = new NodeList(shape, bits);
  let stream = list.embed();
  for (let layer = 0; layer < shape.layers; layer++) {
    const attended = list.attention(layer, stream);
    const middle = list.addAndNormalise(stream, attended, `blk.${layer}.ffn_norm.weight`);
    const product = list.feedForward(layer, middle);
    const isLast = layer + 1 === shape.layers;
    const norm = isLast ? "output_norm.weight" : `blk.${layer + 1}.attn_norm.weight`;
    stream = list.addAndNormalise(middle, product, norm);
  }
  list.output(stream);
  return list.nodes;
}

class NodeList {
  readonly nodes: OnnxNode[] = [];
  readonly #shape: ModelShape;
  readonly #bits: ReadonlyMap<string, WeightBits>;

  constructor(shape: ModelShape, bits: ReadonlyMap<string, WeightBits>) {
    this.#shape = shape;
    this.#bits = bits;
  }

  embed(): Stream {
    this.#push("Gather", {
      inputs: ["token_embd.weight", "input_ids"],
      outputs: ["embedded"],
      integers: { axis: 0 },
    });
    this.#push("SimplifiedLayerNormalization", {
      inputs: ["embedded", "blk.0.attn_norm.weight"],
      outputs: ["embedded normed"],
      integers: { axis: -1, stash_type: 1 },
      floats: { epsilon: this.#shape.rmsEpsilon },
    });
    return { residual: "embedded", normed: "embedded normed" };
  }

  attention(layer: number, { normed }: Stream): string {
    const { hidden, heads, kvHeads, headDim } = this.#shape;
    const block = `blk.${layer}`;
    const project = (part: string, rows: number) =>
      this.#linear(normed, `${block}.attn_${part}.weight`, { columns: hidden, rows });
    const query = project("q", heads * headDim);
    const key = project("k", kvHeads * headDim);
    const value = project("v", kvHeads * headDim);
    const past = [`past.${layer}.key`, `past.${layer}.value`];
    const present = [`present.${layer}.key`, `present.${layer}.value`];
    const lengths = ["seqlens_k", "total_sequence_length"];
    this.#push("GroupQueryAttention", {
      isMicrosoft: true,
      inputs: [query, key, value, ...past, ...lengths, "cosine", "sine"],
      outputs: [`${block} attended`, ...present],
      integers: { num_heads: heads, kv_num_heads: kvHeads, do_rotary: 1 },
    });
    const size = { columns: heads * headDim, rows: hidden };
    return this.#linear(`${block} attended`, `${block}.attn_output.weight`, size);
  }

  feedForward(layer: number, { normed }: Stream): string {
    const { hidden, feedForward } = this.#shape;
    const block = `blk.${layer}`;
    const widen = (part: string) =>
      this.#linear(normed, `${block}.ffn_${part}.weight`, { columns: hidden, rows: feedForward });
    const [gate, up] = [widen("gate"), widen("up")];
    const [sigmoid, silu, product] = ["sigmoid", "silu", "product"].map((it) => `${block} ${it}`);
    this.#push("Sigmoid", { inputs: [gate], outputs: [sigmoid] });
    this.#push("Mul", { inputs: [gate, sigmoid], outputs: [silu] });
    this.#push("Mul", { inputs: [silu, up], outputs: [product] });
    const size = { columns: feedForward, rows: hidden };
    return this.#linear(product, `${block}.ffn_down.weight`, size);
  }

  /** Adds `delta` to the residual stream and normalises the sum with `weight`. */
  addAndNormalise({ residual }: Stream, delta: string, weight: string): Stream {
    const next = { residual: `${delta} added`, normed: `${delta} normed` };
    this.#push("SkipSimplifiedLayerNormalization", {
      isMicrosoft: true,
      inputs: [residual, delta, weight],
      outputs: [next.normed, "", "", next.residual],
      floats: { epsilon: this.#shape.rmsEpsilon },
    });
    return next;
  }

  output({ normed }: Stream): void {
    const { hidden, vocab, isTied } = this.#shape;
    this.#push("Slice", {
      inputs: [normed, "last", "end", "sequence axis"],
      outputs: ["last normed"],
    });
    const weight = isTied ? "token_embd.weight" : "output.weight";
    this.#linear("last normed", weight, { columns: hidden, rows: vocab, output: "logits" });
  }

  #linear(
    input: string,
    weight: string,
    size: { readonly columns: number; readonly rows: number; readonly output?: string },
  ): string {
    const bits = this.#bits.get(weight);
    if (bits === undefined) throw new RangeError(`Cannot export a llama: it has no ${weight}`);
    const output = size.output ?? `${weight} product`;
    this.#push("MatMulNBits", {
      isMicrosoft: true,
      inputs: [input, `${weight} quants`, `${weight} scales`],
      outputs: [output],
      integers: {
        K: size.columns,
        N: size.rows,
        bits,
        block_size: BLOCK_WEIGHTS,
        // Activations in 8 bits, the fastest that ONNX Runtime has.
        accuracy_level: 4,
      },
    });
    return output;
  }

  #push(operator: string, node: Omit<OnnxNode, "operator">): void {
    this.nodes.push({ operator, ...node });
  }
}
