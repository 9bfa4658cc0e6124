import { assertEquals, assertThrows } from "@std/assert/mod.js";
import type { ModelCard } from "./instance.ts";
import { modelCardBytes, parseModelCard } from "./model_card.ts";

const CARD: ModelCard = {
  name: "tiny",
  fileDigest: "f".repeat(64),
  architecture: "llama",
  parameterCount: 1000,
  contextLength: 128,
  blockTokens: 16,
  tokenizer: {
    model: "llama",
    pre: "default",
    tokens: ["<s>", "▁é", "\u0000", "👋", '"\\\n'],
    scores: [0, -1.5, Math.fround(0.1), -1e30, 3],
    types: [3, 1, 1, 1, 1],
    bosTokenId: 0,
    addBos: true,
    addEos: false,
    addSpacePrefix: true,
    endOfGenerationIds: [],
  },
  chatTemplate: "{{ bos_token }}",
};

Deno.test("parseModelCard() reads what modelCardBytes() wrote, with or without a chat template", () => {
  assertEquals(parseModelCard(modelCardBytes(CARD)), CARD);
  const { chatTemplate: _, ...base } = CARD;
  assertEquals(parseModelCard(modelCardBytes(base)), base);
});

Deno.test("parseModelCard() says what is wrong with a card", () => {
  assertThrows(() => parseModelCard(Uint8Array.of(0x81, 0xa1)), TypeError, "it is not JSON");
  const damaged = { ...CARD, tokenizer: { ...CARD.tokenizer, tokens: 3 } };
  assertThrows(
    () => parseModelCard(new TextEncoder().encode(JSON.stringify(damaged))),
    TypeError,
    "tokenizer.tokens: ",
  );
});
