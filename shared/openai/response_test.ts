import { assertEquals } from "@std/assert/mod.js";
import {
  type AnswerHead,
  chatChunkSchema,
  chatResponseSchema,
  ChunkWriter,
  completionResponseSchema,
  usageOf,
  wholeResponse,
} from "./response.ts";

const HEAD: AnswerHead = {
  kind: "chat",
  requestId: "r-1",
  model: "m",
  createdAtMs: 1_700_000_000_999,
  fingerprint: "fp_1",
};
const USAGE = usageOf({ promptTokens: 5, cachedTokens: 2, completionTokens: 3 });
const ANSWER = { text: "Hi", finishReason: "stop", usage: USAGE } as const;

Deno.test("usageOf() adds up and keeps the cached tokens apart", () => {
  assertEquals(USAGE, {
    prompt_tokens: 5,
    completion_tokens: 3,
    total_tokens: 8,
    prompt_tokens_details: { cached_tokens: 2 },
  });
});

Deno.test("wholeResponse() of a chat is a chat.completion named after the request", () => {
  const response = wholeResponse(HEAD, ANSWER);
  assertEquals(chatResponseSchema.parse(response), response);
  assertEquals(
    [response.id, response.object, response.created],
    ["chatcmpl-r-1", "chat.completion", 1_700_000_000],
  );
});

Deno.test("wholeResponse() of a completion is a text_completion", () => {
  const response = wholeResponse({ ...HEAD, kind: "completion" }, ANSWER);
  assertEquals(completionResponseSchema.parse(response), response);
  assertEquals([response.id, response.object], ["cmpl-r-1", "text_completion"]);
});

Deno.test("ChunkWriter puts the role on the first chat chunk only and the reason on the last", () => {
  const writer = new ChunkWriter(HEAD, { includeUsage: false });
  const chunks = [writer.text("He"), writer.text("y"), writer.finish("length")]
    .map((chunk) => chatChunkSchema.parse(JSON.parse(chunk)));
  assertEquals(chunks.map((chunk) => chunk.choices[0]), [
    {
      index: 0,
      delta: { role: "assistant", content: "He" },
      logprobs: null,
      finish_reason: null,
    },
    { index: 0, delta: { content: "y" }, logprobs: null, finish_reason: null },
    { index: 0, delta: {}, logprobs: null, finish_reason: "length" },
  ]);
  assertEquals(chunks.map((chunk) => "usage" in chunk), [false, false, false]);
});

Deno.test("ChunkWriter with include_usage has null usage until the chunk without choices", () => {
  const writer = new ChunkWriter(HEAD, { includeUsage: true });
  const chunks = [writer.text("a"), writer.text("b"), writer.finish("stop"), writer.usage(USAGE)]
    .map((chunk) => JSON.parse(chunk));
  assertEquals(chunks.map(({ usage }) => usage), [null, null, null, USAGE]);
  const last = chunks[3];
  assertEquals([last.choices, last.usage], [[], USAGE]);
});

Deno.test("ChunkWriter of a completion writes text choices", () => {
  const writer = new ChunkWriter({ ...HEAD, kind: "completion" }, { includeUsage: false });
  for (const text of ["a", '",\n"text":""é', ""]) {
    const chunk = completionResponseSchema.parse(JSON.parse(writer.text(text)));
    assertEquals(chunk.choices, [{ index: 0, text, logprobs: null, finish_reason: null }]);
  }
});

Deno.test("ChunkWriter keeps a model's name whose text looks like a field", () => {
  const model = 'm"text":""","content":"",';
  for (const kind of ["chat", "completion"] as const) {
    const writer = new ChunkWriter({ ...HEAD, kind, model }, { includeUsage: true });
    for (const text of ["a", "b"]) {
      const chunk = JSON.parse(writer.text(text));
      assertEquals(chunk.model, model);
      assertEquals(chunk.choices[0].text ?? chunk.choices[0].delta.content, text);
    }
  }
});

Deno.test("ChunkWriter puts the tokens of a text beside it, on the first chunk and on later ones", () => {
  const tokens = [{ offset_ms: 1.5, step: 3, instance_id: "w", phase: "aggregate" as const }];
  for (const kind of ["chat", "completion"] as const) {
    const writer = new ChunkWriter({ ...HEAD, kind }, { includeUsage: true });
    for (const given of [tokens, [], undefined]) {
      const chunk = JSON.parse(writer.text("a", given));
      const schema = kind === "chat" ? chatChunkSchema : completionResponseSchema;
      assertEquals([schema.parse(chunk), chunk.token_timings], [chunk, given]);
    }
  }
});
