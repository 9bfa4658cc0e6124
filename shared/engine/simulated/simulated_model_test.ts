import { assertEquals, assertRejects } from "@std/assert/mod.js";
import {
  chatTemplateFromGguf,
  compileChatTemplate,
  createTokenizer,
  tokenizerDataFromGguf,
} from "../../tokenizer/mod.ts";
import { END_TOKEN, simulatedModel, syllableToken } from "./simulated_model.ts";
import { testSimulation } from "./testing/test_simulation.ts";

Deno.test("simulatedModel() has a tokenizer for any text, whose answers keep their tokens", () => {
  const { metadata, shape } = simulatedModel(testSimulation());
  const data = tokenizerDataFromGguf(metadata);
  assertEquals(data.tokens.length, shape.vocab);
  assertEquals(data.endOfGenerationIds, [END_TOKEN]);
  const tokenizer = createTokenizer(data);
  const encode = (text: string) =>
    tokenizer.encode(text, { addSpecial: true, parseSpecial: false });
  const decode = (ids: number[]) => tokenizer.decode(ids, { skipSpecial: true });
  for (const text of ["Hello, world!\n", "naïve 你好 🙂", ""]) {
    assertEquals(decode(encode(text)), text);
  }
  const answer = Array.from({ length: 40 }, (_, index) => syllableToken(index * 37));
  assertEquals(encode(decode(answer)), answer);
});

Deno.test("simulatedModel() has a chat template", () => {
  const { metadata } = simulatedModel(testSimulation());
  const template = compileChatTemplate(chatTemplateFromGguf(metadata)!);
  const text = template.render([{ role: "user", content: "Hi" }], {
    addGenerationPrompt: true,
    bosToken: "",
    eosToken: "",
  });
  assertEquals(text, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
});

Deno.test("simulatedModel() has no tensors and as wide a KV as it is told to", async () => {
  const model = simulatedModel(testSimulation({ kvTokenBytes: 23_040, contextTokens: 100 }));
  assertEquals([model.shape.headDim, model.shape.contextLength], [2880, 100]);
  assertEquals([model.tensors.size, model.parameterCount], [0, 0]);
  const tensor = { name: "x", type: "F32", shape: [1], fileOffset: 0, byteLength: 4 } as const;
  await assertRejects(() => model.read(tensor, 0, new Uint8Array(4)), RangeError, "has none");
});
