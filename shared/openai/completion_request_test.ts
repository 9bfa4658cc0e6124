import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { parseCompletionRequest } from "./completion_request.ts";
import { ApiError } from "./errors.ts";

Deno.test("parseCompletionRequest() takes a text prompt and OpenAI's default of 16 tokens", () => {
  const request = parseCompletionRequest({ model: "m", prompt: "Once" });
  assertEquals([request.kind, request.prompt, request.maxTokens], ["completion", "Once", 16]);
});

Deno.test("parseCompletionRequest() takes the one prompt of an array, text or token ids", () => {
  const prompts: [unknown, string | number[]][] = [
    [["Once"], "Once"],
    [[5, 6, 7], [5, 6, 7]],
    [[[5, 6]], [5, 6]],
  ];
  for (const [prompt, expected] of prompts) {
    assertEquals(parseCompletionRequest({ model: "m", prompt }).prompt, expected);
  }
});

Deno.test("parseCompletionRequest() refuses several prompts and wrong ids by path", () => {
  const wrong: [unknown, string, string][] = [
    [["a", "b"], "prompt", "one prompt a request"],
    [[[1], [2]], "prompt", "one prompt a request"],
    [[], "prompt", ""],
    [[1, -2], "prompt.1", ""],
    [[1.5], "prompt.0", ""],
    [{}, "prompt", "it must be text or token ids"],
  ];
  for (const [prompt, param, hint] of wrong) {
    const error = assertThrows(() => parseCompletionRequest({ model: "m", prompt }), ApiError);
    assertEquals([error.code, error.param], ["invalid_value", param], JSON.stringify(prompt));
    assertEquals(error.message.includes(hint), true, error.message);
  }
});

Deno.test("parseCompletionRequest() looks at token ids up to the first problem", () => {
  for (const nest of [(ids: unknown[]) => ids, (ids: unknown[]) => [ids]]) {
    const ids = Object.defineProperty([5, -1, 6], 2, {
      get() {
        throw new Error("it was looked at");
      },
    });
    const prompt = nest(ids);
    const error = assertThrows(() => parseCompletionRequest({ model: "m", prompt }), ApiError);
    assertEquals(error.param, prompt === ids ? "prompt.1" : "prompt.0.1");
  }
  const error = assertThrows(() => parseCompletionRequest({ model: "m", prompt: [[]] }), ApiError);
  assertEquals([error.code, error.param], ["invalid_value", "prompt.0"]);
});

Deno.test("parseCompletionRequest() accepts echo false and an empty suffix, refuses the rest", () => {
  parseCompletionRequest({ model: "m", prompt: "a", echo: false, suffix: null, best_of: 1, n: 1 });
  for (const extra of [{ echo: true }, { suffix: "x" }, { logprobs: 0 }, { best_of: 3 }]) {
    const error = assertThrows(
      () => parseCompletionRequest({ model: "m", prompt: "a", ...extra }),
      ApiError,
    );
    assertEquals([error.code, error.param], ["unsupported_parameter", Object.keys(extra)[0]]);
  }
});

Deno.test("parseCompletionRequest() refuses what only chat requests have", () => {
  const error = assertThrows(
    () => parseCompletionRequest({ model: "m", prompt: "a", messages: [] }),
    ApiError,
  );
  assertEquals([error.code, error.param], ["unknown_parameter", "messages"]);
});
