import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert/mod.js";
import { ModelFileError } from "./errors.ts";
import { openGguf } from "./gguf.ts";
import { convertLlama2c } from "./llama2c.ts";

const CONFIG = {
  hidden: 8,
  feedForward: 6,
  layers: 2,
  heads: 2,
  kvHeads: 1,
  vocab: 261,
  context: 5,
};
const ROPE_TABLES = 2 * CONFIG.context * (CONFIG.hidden / CONFIG.heads / 2);

/** The checkpoint's tensors in its order; weight number n of the whole file has the value n. */
const SECTIONS: [kind: string, layers: number, length: number][] = [
  ["token_embd", 1, 261 * 8],
  ["attn_norm", 2, 8],
  ["attn_q", 2, 64],
  ["attn_k", 2, 32],
  ["attn_v", 2, 32],
  ["attn_output", 2, 64],
  ["ffn_norm", 2, 8],
  ["ffn_gate", 2, 48],
  ["ffn_down", 2, 48],
  ["ffn_up", 2, 48],
  ["output_norm", 1, 8],
];

function checkpoint(
  { isTied = true, ...changes }: Partial<typeof CONFIG> & { isTied?: boolean } = {},
) {
  const { hidden, feedForward, layers, heads, kvHeads, vocab, context } = { ...CONFIG, ...changes };
  const weights = SECTIONS.reduce((sum, [, count, length]) => sum + count * length, ROPE_TABLES) +
    (isTied ? 0 : 261 * 8);
  const header = Int32Array.of(
    hidden,
    feedForward,
    layers,
    heads,
    kvHeads,
    isTied ? vocab : -vocab,
    context,
  );
  const values = Float32Array.from({ length: weights }, (_, index) => index);
  return Uint8Array.of(...new Uint8Array(header.buffer), ...new Uint8Array(values.buffer));
}

interface TokenEntry {
  readonly text: string;
  readonly score: number;
}

function entries(byteText: (byte: number) => string): TokenEntry[] {
  const bytes = Array.from({ length: 256 }, (_, byte) => ({ text: byteText(byte), score: 0 }));
  return [
    { text: "<unk>", score: 0 },
    { text: "\n<s>\n", score: 0 },
    { text: "\n</s>\n", score: 0 },
    ...bytes,
    { text: " a b", score: -0.5 },
    { text: "é", score: -2 },
  ];
}

function tokenizerBin(tokens: readonly TokenEntry[]): Uint8Array {
  const parts = [new Uint8Array(Int32Array.of(7).buffer)];
  for (const { text, score } of tokens) {
    const bytes = new TextEncoder().encode(text);
    parts.push(
      new Uint8Array(Float32Array.of(score).buffer),
      new Uint8Array(Int32Array.of(bytes.length).buffer),
      bytes,
    );
  }
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const asCharacter = (byte: number) => String.fromCharCode(byte);
const asHex = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;

async function inFolder(
  files: { model?: Uint8Array; tokenizer?: Uint8Array },
  use: (convert: () => Promise<unknown>, outputPath: string, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "baton-llama2c-" });
  const conversion = {
    modelPath: `${folder}/model.bin`,
    tokenizerPath: `${folder}/tokenizer.bin`,
    outputPath: `${folder}/model.gguf`,
    name: "tiny",
  };
  try {
    await Deno.writeFile(conversion.modelPath, files.model ?? checkpoint());
    await Deno.writeFile(
      conversion.tokenizerPath,
      files.tokenizer ?? tokenizerBin(entries(asCharacter)),
    );
    await use(() => convertLlama2c(conversion), conversion.outputPath, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("convertLlama2c() writes a llama model of the same shape", async () => {
  await inFolder({}, async (convert, outputPath) => {
    await convert();
    await using file = await openGguf(outputPath);
    const { rmsEpsilon, ...shape } = file.shape;
    assertEquals(shape, {
      architecture: "llama",
      contextLength: 5,
      hidden: 8,
      feedForward: 6,
      layers: 2,
      heads: 2,
      kvHeads: 1,
      headDim: 4,
      vocab: 261,
      ropeTheta: 10_000,
      ropeDim: 4,
      isTied: true,
    });
    assertAlmostEquals(rmsEpsilon, 1e-5, 1e-12);
    assertEquals(file.metadata.get("general.name"), "tiny");
  });
});

Deno.test("convertLlama2c() copies every weight to the tensor that it belongs to", async () => {
  await inFolder({ model: checkpoint({ isTied: false }) }, async (convert, outputPath) => {
    await convert();
    await using file = await openGguf(outputPath);
    async function assertHolds(name: string, firstWeight: number): Promise<void> {
      const tensor = file.tensors.get(name)!;
      const values = new Float32Array(tensor.byteLength / 4);
      await file.read(tensor, 0, new Uint8Array(values.buffer));
      assertEquals(
        [values[0], values.at(-1)],
        [firstWeight, firstWeight + values.length - 1],
        name,
      );
    }
    let weight = 0;
    for (const [kind, layers, length] of SECTIONS) {
      for (let layer = 0; layer < layers; layer++, weight += length) {
        const prefix = layers === 1 ? "" : `blk.${layer}.`;
        await assertHolds(`${prefix}${kind}.weight`, weight);
      }
    }
    await assertHolds("output.weight", weight + ROPE_TABLES);
  });
});

for (const [spelling, byteText] of [["characters", asCharacter], ["hex", asHex]] as const) {
  Deno.test(`convertLlama2c() restores SentencePiece's tokens from bytes spelled as ${spelling}`, async () => {
    await inFolder({ tokenizer: tokenizerBin(entries(byteText)) }, async (convert, outputPath) => {
      await convert();
      await using file = await openGguf(outputPath);
      const tokens = file.metadata.get("tokenizer.ggml.tokens") as string[];
      const types = file.metadata.get("tokenizer.ggml.token_type") as number[];
      const scores = file.metadata.get("tokenizer.ggml.scores") as number[];
      assertEquals(tokens.slice(0, 4), ["<unk>", "<s>", "</s>", "<0x00>"]);
      assertEquals([tokens[3 + 0x20], tokens[3 + 0xe9]], ["<0x20>", "<0xE9>"]);
      assertEquals(tokens.slice(259), ["▁a▁b", "é"]);
      assertEquals(types.slice(0, 4), [2, 3, 3, 6]);
      assertEquals(types.slice(258), [6, 1, 1]);
      assertEquals(scores.slice(259), [-0.5, -2]);
      assertEquals(new Set(tokens).size, tokens.length);
      assertEquals(file.metadata.get("tokenizer.ggml.bos_token_id"), 1);
      assertEquals(file.metadata.get("tokenizer.ggml.add_space_prefix"), true);
    });
  });
}

const REFUSED: { what: string; files: Parameters<typeof inFolder>[0]; reason: string }[] = [
  {
    what: "a model that is cut off",
    files: { model: checkpoint().subarray(0, -4) },
    reason: "bytes and it has",
  },
  { what: "a model without a header", files: { model: new Uint8Array(8) }, reason: "too short" },
  {
    what: "a header that is none",
    files: { model: checkpoint({ heads: 3 }) },
    reason: "its header is no llama2.c header",
  },
  {
    what: "a header of countless layers",
    files: { model: checkpoint({ layers: 1 << 24 }) },
    reason: "its header is no llama2.c header",
  },
  {
    what: "a tokenizer with too few tokens",
    files: { tokenizer: tokenizerBin(entries(asHex).slice(0, 200)) },
    reason: "it ends at token 200 of 261",
  },
  {
    what: "a tokenizer with too many tokens",
    files: { tokenizer: tokenizerBin([...entries(asHex), { text: "x", score: 0 }]) },
    reason: "it goes on after 261 tokens",
  },
];

for (const { what, files, reason } of REFUSED) {
  Deno.test(`convertLlama2c() refuses ${what} and leaves no file`, async () => {
    await inFolder(files, async (convert, _outputPath, folder) => {
      await assertRejects(convert, ModelFileError, reason);
      const entries = await Array.fromAsync(Deno.readDir(folder));
      const names = entries.map(({ name }) => name).sort();
      assertEquals(names, ["model.bin", "tokenizer.bin"]);
    });
  });
}
