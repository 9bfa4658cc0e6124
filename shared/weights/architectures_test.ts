import { assertEquals, assertRejects } from "@std/assert/mod.js";
import { ModelFileError } from "./errors.ts";
import { openGguf } from "./gguf.ts";
import type { GgufValue } from "./gguf_writer.ts";
import {
  encodeTiny,
  f32Tensor,
  temporaryFile,
  type TinyLlama,
  tinyLlama,
  zeroTensor,
} from "./testing/tiny_llama.ts";

async function assertRefused(change: (model: TinyLlama) => void, reason: string): Promise<void> {
  const model = tinyLlama();
  change(model);
  await using source = await temporaryFile(await encodeTiny(model));
  await assertRejects(() => openGguf(source.path), ModelFileError, reason);
}

const u32 = (value: number): GgufValue => ({ type: "u32", value });
const text = (value: string): GgufValue => ({ type: "string", value });

const METADATA_CASES: { key: string; value: GgufValue | undefined; reason: string }[] = [
  { key: "general.architecture", value: text("qwen2"), reason: '"qwen2", supported: llama' },
  { key: "general.architecture", value: undefined, reason: '"general.architecture" is missing' },
  { key: "general.architecture", value: u32(1), reason: "is 1, a string is needed" },
  { key: "split.count", value: u32(3), reason: "it is one of 3 parts" },
  { key: "llama.block_count", value: undefined, reason: '"llama.block_count" is missing' },
  { key: "llama.block_count", value: u32(0), reason: '"llama.block_count" is 0' },
  { key: "llama.block_count", value: u32(3), reason: '"blk.2.attn_norm.weight" is missing' },
  { key: "llama.block_count", value: u32(1), reason: 'it has the tensor "blk.1.attn_norm.weight"' },
  { key: "llama.block_count", value: u32(9_000_000), reason: "has only 20 tensors" },
  { key: "llama.block_count", value: text("2"), reason: "an integer from 1 to" },
  {
    key: "llama.attention.head_count",
    value: { type: "i32[]", value: [4, 4] },
    reason: "is an array of 2, an integer",
  },
  { key: "llama.attention.head_count", value: u32(3), reason: "is no multiple of head_count 3" },
  {
    key: "llama.attention.head_count_kv",
    value: u32(3),
    reason: "4 heads cannot share 3 KV heads",
  },
  { key: "llama.attention.head_count_kv", value: u32(4), reason: "blk.0.attn_k.weight" },
  { key: "llama.attention.key_length", value: u32(16), reason: "llama.attention.key_length is 16" },
  { key: "llama.rope.dimension_count", value: u32(3), reason: "an even number up to 2" },
  { key: "llama.rope.dimension_count", value: u32(4), reason: "an even number up to 2" },
  { key: "llama.rope.freq_base", value: { type: "f32", value: 0 }, reason: "a number above 0" },
  {
    key: "llama.attention.layer_norm_rms_epsilon",
    value: { type: "f32", value: NaN },
    reason: "a number above 0",
  },
  { key: "llama.vocab_size", value: u32(12), reason: "token_embd.weight has 11 rows" },
  {
    key: "tokenizer.ggml.tokens",
    value: { type: "string[]", value: ["a"] },
    reason: "its tokenizer has 1 tokens and token_embd.weight has 11 rows",
  },
  {
    key: "llama.rope.scaling.type",
    value: text("yarn"),
    reason: "llama.rope.scaling.type is yarn",
  },
  {
    key: "llama.rope.scaling.factor",
    value: { type: "f32", value: 8 },
    reason: "llama.rope.scaling.factor is 8, which the engine does not implement",
  },
  { key: "llama.expert_count", value: u32(8), reason: "llama.expert_count is 8" },
  { key: "llama.attention.sliding_window", value: u32(4096), reason: "sliding_window is 4096" },
];

for (const { key, value, reason } of METADATA_CASES) {
  Deno.test(`openGguf() refuses ${key} = ${value?.value ?? "nothing"}`, async () => {
    await assertRefused(({ metadata }) => {
      if (value === undefined) metadata.delete(key);
      else metadata.set(key, value);
    }, reason);
  });
}

Deno.test("openGguf() takes settings that change nothing", async () => {
  const model = tinyLlama();
  model.metadata.set("llama.rope.scaling.type", text("none"));
  model.metadata.set("llama.rope.scaling.factor", { type: "f32", value: 1 });
  model.metadata.set("llama.expert_count", u32(0));
  model.metadata.set("llama.attention.key_length", u32(2));
  await using source = await temporaryFile(await encodeTiny(model));
  await using file = await openGguf(source.path);
  assertEquals(file.shape.headDim, 2);
});

Deno.test("openGguf() refuses a file without one of the model's tensors", async () => {
  for (const name of tinyLlama().tensors.keys()) {
    await assertRefused(({ tensors }) => tensors.delete(name), `tensor "${name}" is missing`);
  }
});

Deno.test("openGguf() refuses a tensor of another shape and says both", async () => {
  await assertRefused(
    ({ tensors }) =>
      tensors.set("blk.0.attn_q.weight", f32Tensor("blk.0.attn_q.weight", [8, 4], 1)),
    "has the shape [8, 4], its metadata asks for [8, 8]",
  );
});

Deno.test("openGguf() refuses norms that are not F32", async () => {
  const half = zeroTensor("output_norm.weight", { type: "F16", shape: [8], byteLength: 16 });
  await assertRefused(
    ({ tensors }) => tensors.set("output_norm.weight", half),
    "has the type F16, norms must be F32",
  );
});

Deno.test("openGguf() refuses tensors that would change the result and are not computed", async () => {
  await assertRefused(
    ({ tensors }) => tensors.set("blk.0.attn_q.bias", f32Tensor("blk.0.attn_q.bias", [8], 1)),
    'it has the tensor "blk.0.attn_q.bias"',
  );
  await assertRefused(
    ({ tensors }) => tensors.set("rope_freqs.weight", f32Tensor("rope_freqs.weight", [1], 1)),
    "it scales RoPE",
  );
});
