import { assert, assertEquals } from "@std/assert/mod.js";
import { createDetokenizer, type Tokenizer } from "../../../shared/tokenizer/mod.ts";
import qwen2Normalised from "../../../shared/tokenizer/testdata/qwen2_normalised.json" with {
  type: "json",
};
import smollm2 from "../../../shared/tokenizer/testdata/smollm2.json" with { type: "json" };
import { resolveModelFor } from "../../../shared/weights/sources/mod.ts";
import { referenceVocabularies, tokenizerOf, VOCABULARY_NAMES } from "./reference_vocabularies.ts";

const PLAIN = { addSpecial: false, parseSpecial: false };
const TESTDATA = new URL("../../../shared/tokenizer/testdata/", import.meta.url);
const texts = (await Deno.readTextFile(new URL("texts.txt", TESTDATA)))
  .split("\n__ggml_vocab_test__\n");

async function vocabulary(name: (typeof VOCABULARY_NAMES)[number]): Promise<Tokenizer> {
  return await tokenizerOf((await referenceVocabularies()).get(name)!);
}

function assertSameText(tokenizer: Tokenizer, ids: readonly number[], text: string): void {
  assertEquals(tokenizer.decode(ids, { skipSpecial: false }), text);
  const detokenizer = createDetokenizer(tokenizer, { skipSpecial: false });
  const pieces = ids.map((id) => detokenizer.push(id));
  assertEquals(pieces.join("") + detokenizer.flush(), text);
  for (const piece of pieces) assert(!piece.includes("\ufffd"), JSON.stringify(text));
}

for (const name of VOCABULARY_NAMES) {
  Deno.test(`Tokenizer encodes and decodes llama.cpp's vectors for ${name}`, async () => {
    const tokenizer = await vocabulary(name);
    const lines = (await Deno.readTextFile(new URL(`${name}.ids.txt`, TESTDATA))).split("\n");
    assertEquals(texts.length, lines.length);
    for (const [index, text] of texts.entries()) {
      const ids = tokenizer.encode(text, PLAIN);
      assertEquals(ids.join(" "), lines[index].trim(), JSON.stringify(text));
      assertSameText(tokenizer, ids, text);
    }
  });
}

Deno.test("Tokenizer encodes as Hugging Face does for qwen2 texts that are not in NFC", async () => {
  const tokenizer = await vocabulary("qwen2");
  for (const { text, ids } of qwen2Normalised) {
    assertEquals(tokenizer.encode(text, PLAIN), ids, JSON.stringify(text));
    assertSameText(tokenizer, ids, text.normalize("NFC"));
  }
});

Deno.test("Tokenizer encodes as Hugging Face does for the default model", async () => {
  const env = Deno.env.toObject();
  const tokenizer = await tokenizerOf(
    (await resolveModelFor("smollm2-135m-instruct", { env })).path,
  );
  assertEquals(tokenizer.endOfGenerationIds, [0, 2, 4]);
  for (const { text, ids } of smollm2) {
    assertEquals(tokenizer.encode(text, PLAIN), ids, JSON.stringify(text));
  }
  const turn = "<|im_start|>user\nHi<|im_end|>\n";
  const ids = tokenizer.encode(turn, { addSpecial: true, parseSpecial: true });
  assertEquals([ids[0], ids.at(-2)], [1, 2]);
  assertEquals(tokenizer.decode(ids, { skipSpecial: true }), "user\nHi\n");
  assertSameText(tokenizer, ids, turn);
});

Deno.test("Tokenizer encodes long runs of one character in every vocabulary", async () => {
  for (const name of VOCABULARY_NAMES) {
    const tokenizer = await vocabulary(name);
    for (const text of ["a".repeat(20_000), " ".repeat(20_000), "<".repeat(20_000)]) {
      assertSameText(tokenizer, tokenizer.encode(text, PLAIN), text);
    }
  }
});
