import { assertEquals, assertMatch, assertThrows } from "@std/assert/mod.js";
import { parseChatRequest } from "./chat_request.ts";
import { ApiError, type ErrorCode } from "./errors.ts";

const MESSAGES = [{ role: "user", content: "Hi" }];

function refusal(body: Record<string, unknown>): { code: ErrorCode; param: string | null } {
  const error = assertThrows(
    () => parseChatRequest({ model: "m", messages: MESSAGES, ...body }),
    ApiError,
  );
  return { code: error.code, param: error.param };
}

Deno.test("parseChatRequest() applies OpenAI's defaults", () => {
  assertEquals(parseChatRequest({ model: "m", messages: MESSAGES }), {
    kind: "chat",
    model: "m",
    messages: [{ role: "user", content: "Hi" }],
    temperature: 1,
    topP: 1,
    topK: 0,
    stopStrings: [],
    ignoreEos: false,
    isStream: false,
    includeUsage: false,
  });
});

Deno.test("parseChatRequest() treats null like an absent parameter", () => {
  const nulls = { temperature: null, top_p: null, seed: null, stop: null, max_tokens: null };
  assertEquals(
    parseChatRequest({ model: "m", messages: MESSAGES, ...nulls }),
    parseChatRequest({ model: "m", messages: MESSAGES }),
  );
});

Deno.test("parseChatRequest() reads every supported parameter", () => {
  const request = parseChatRequest({
    model: "m",
    messages: [
      { role: "developer", content: "Be brief" },
      { role: "user", content: [{ type: "text", text: "a" }, { type: "text", text: "b" }] },
      { role: "assistant", content: "c", name: "bot", refusal: null, annotations: [] },
    ],
    stream: true,
    stream_options: { include_usage: true },
    max_completion_tokens: 7,
    max_tokens: 9,
    temperature: 0,
    top_p: 0,
    top_k: 40,
    seed: -1,
    stop: "END",
    ignore_eos: true,
  });
  assertEquals(request, {
    kind: "chat",
    model: "m",
    messages: [
      { role: "system", content: "Be brief" },
      { role: "user", content: "a\nb" },
      { role: "assistant", content: "c", name: "bot" },
    ],
    maxTokens: 7,
    temperature: 0,
    topP: 0,
    topK: 40,
    seed: -1,
    stopStrings: ["END"],
    ignoreEos: true,
    isStream: true,
    includeUsage: true,
  });
});

Deno.test("parseChatRequest() keeps large seeds whole", () => {
  const { seed } = parseChatRequest({ model: "m", messages: MESSAGES, seed: 2 ** 32 + 5 });
  assertEquals(seed, 2 ** 32 + 5);
});

Deno.test("parseChatRequest() accepts known parameters whose value changes nothing", () => {
  const harmless = {
    n: 1,
    presence_penalty: 0,
    frequency_penalty: 0,
    logit_bias: {},
    logprobs: false,
    top_logprobs: null,
    tools: [],
    tool_choice: "none",
    parallel_tool_calls: true,
    response_format: { type: "text" },
    modalities: ["text"],
    service_tier: "auto",
    store: false,
    user: "u",
    metadata: { a: "b" },
    prompt_cache_key: "k",
    prompt_cache_options: { mode: "implicit", ttl: "30m" },
    prompt_cache_retention: "24h",
    moderation: null,
    audio: null,
    prediction: null,
  };
  assertEquals(
    parseChatRequest({ model: "m", messages: MESSAGES, ...harmless }),
    parseChatRequest({ model: "m", messages: MESSAGES }),
  );
});

Deno.test("parseChatRequest() refuses unsupported parameters by name", () => {
  const unsupported: Record<string, unknown> = {
    n: 2,
    presence_penalty: 0.5,
    frequency_penalty: -1,
    logit_bias: { "50256": -100 },
    logprobs: true,
    top_logprobs: 3,
    tools: [{ type: "function" }],
    tool_choice: { type: "function" },
    functions: [{ name: "f" }],
    response_format: { type: "json_object" },
    modalities: ["text", "audio"],
    audio: { voice: "x" },
    prediction: { type: "content" },
    reasoning_effort: "high",
    store: true,
    service_tier: "flex",
    web_search_options: {},
    moderation: { model: "omni-moderation-latest" },
  };
  for (const [param, value] of Object.entries(unsupported)) {
    assertEquals(refusal({ [param]: value }), { code: "unsupported_parameter", param });
  }
});

Deno.test("parseChatRequest() refuses unknown keys by name, inherited names included", () => {
  assertEquals(refusal({ temprature: 1 }), { code: "unknown_parameter", param: "temprature" });
  assertEquals(refusal({ toString: 1 }), { code: "unknown_parameter", param: "toString" });
  assertEquals(refusal({ messages: [{ role: "user", content: "a", foo: 1 }] }), {
    code: "unknown_parameter",
    param: "messages.0.foo",
  });
});

Deno.test("parseChatRequest() names unknown keys of options and parts, and takes cache breakpoints", () => {
  assertEquals(refusal({ stream: true, stream_options: { include_usge: true } }), {
    code: "unknown_parameter",
    param: "stream_options.include_usge",
  });
  const part = { type: "text", text: "Hi", prompt_cache_breakpoint: { mode: "explicit" } };
  const { messages } = parseChatRequest({
    model: "m",
    messages: [{ role: "user", content: [part] }],
  });
  assertEquals(messages, [{ role: "user", content: "Hi" }]);
  assertEquals(refusal({ messages: [{ role: "user", content: [{ ...part, txt: "" }] }] }), {
    code: "unknown_parameter",
    param: "messages.0.content.0.txt",
  });
});

Deno.test("parseChatRequest() tells of a name that is megabytes long by its beginning", () => {
  const name = "k".repeat(2_000_000);
  const wrong = [
    { [name]: 1 },
    { metadata: { [name]: 1 } },
    { messages: [{ ...MESSAGES[0], [name]: 1 }] },
    { messages: [{ role: "user", content: [{ type: "text", text: "", [name]: 1 }] }] },
  ];
  for (const extra of wrong) {
    const body = { model: "m", messages: MESSAGES, ...extra };
    const error = assertThrows(() => parseChatRequest(body), ApiError);
    assertEquals(JSON.stringify(error.body()).length < 1500, true);
    assertMatch(error.param ?? "", /k…$/);
  }
});

/** A value that fails the test when somebody looks into it. */
function untouched(): unknown {
  const fail = () => {
    throw new Error("it was looked at");
  };
  return new Proxy({}, { get: fail, has: fail, ownKeys: fail });
}

Deno.test("parseChatRequest() looks at messages, parts and stops up to the first problem", () => {
  assertEquals(refusal({ messages: [7, untouched()] }), {
    code: "invalid_value",
    param: "messages.0",
  });
  assertEquals(refusal({ messages: [{ role: "user", content: [8, untouched()] }] }), {
    code: "invalid_value",
    param: "messages.0.content.0",
  });
  assertEquals(refusal({ stop: Array.from({ length: 5 }, untouched) }), {
    code: "invalid_value",
    param: "stop",
  });
});

Deno.test("parseChatRequest() refuses tool calls inside a message by their path", () => {
  assertEquals(
    refusal({ messages: [{ role: "assistant", content: "a", tool_calls: [{ id: "1" }] }] }),
    { code: "unsupported_parameter", param: "messages.0.tool_calls" },
  );
  // As OpenAI's models send it, without a text.
  assertEquals(
    refusal({ messages: [{ role: "assistant", content: null, tool_calls: [{ id: "1" }] }] }),
    { code: "unsupported_parameter", param: "messages.0.tool_calls" },
  );
});

Deno.test("parseChatRequest() names the exact path of a wrong value", () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ messages: [] }, "messages"],
    [{ messages: "hi" }, "messages"],
    [{ messages: [{ role: "tool", content: "a" }] }, "messages.0.role"],
    [{ messages: [MESSAGES[0], { role: "user", content: 3 }] }, "messages.1.content"],
    [{ messages: [{ role: "user", content: [] }] }, "messages.0.content"],
    [
      { messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] },
      "messages.0.content.0.type",
    ],
    [{ max_tokens: 0 }, "max_tokens"],
    [{ max_tokens: -5 }, "max_tokens"],
    [{ max_completion_tokens: 1.5 }, "max_completion_tokens"],
    [{ temperature: -0.1 }, "temperature"],
    [{ temperature: 2.1 }, "temperature"],
    [{ temperature: "1" }, "temperature"],
    [{ top_p: -0.01 }, "top_p"],
    [{ top_p: 1.01 }, "top_p"],
    [{ top_k: -1 }, "top_k"],
    [{ seed: 1.5 }, "seed"],
    [{ stop: "" }, "stop"],
    [{ stop: ["a", "b", "c", "d", "e"] }, "stop"],
    [{ stop: ["a", 1] }, "stop.1"],
    [{ stream: "yes" }, "stream"],
    [{ stream: true, stream_options: { include_usage: 1 } }, "stream_options.include_usage"],
    [{ stream_options: { include_usage: true } }, "stream_options"],
    [{ stream: true, stream_options: [1] }, "stream_options"],
    [{ model: "m".repeat(1001) }, "model"],
    [{ messages: [{ role: "user", content: [] }] }, "messages.0.content"],
    [{ model: "" }, "model"],
    [{ metadata: { a: 1 } }, "metadata.a"],
    [{ metadata: Object.fromEntries("abcdefghijklmnopq".split("").entries()) }, "metadata"],
  ];
  for (const [body, param] of cases) {
    assertEquals(refusal(body), { code: "invalid_value", param }, JSON.stringify(body));
  }
});

Deno.test("parseChatRequest() says which required parameter is missing", () => {
  assertEquals(refusal({ model: undefined }), {
    code: "missing_required_parameter",
    param: "model",
  });
  assertEquals(refusal({ messages: undefined }), {
    code: "missing_required_parameter",
    param: "messages",
  });
  assertEquals(refusal({ messages: [{ role: "user" }] }), {
    code: "missing_required_parameter",
    param: "messages.0.content",
  });
});
