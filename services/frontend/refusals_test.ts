import { assertEquals, assertMatch } from "@std/assert/mod.js";
import { errorBodySchema } from "../../shared/openai/mod.ts";
import { FrontendKit } from "./testing/frontend_kit.ts";

interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly param: string | null;
}

async function refusal(response: Response): Promise<Refusal> {
  const { error } = errorBodySchema.parse(await response.json());
  return { status: response.status, code: error.code, param: error.param };
}

async function readyKit(options: Parameters<typeof FrontendKit.start>[0] = {}) {
  const kit = await FrontendKit.start(options);
  await kit.pair();
  return kit;
}

Deno.test("Malformed JSON is refused with the envelope", async () => {
  using kit = await readyKit();
  for (const body of ["{", "", '{"model":', "[]"]) {
    const { status, code } = await refusal(await kit.post("/v1/chat/completions", body));
    assertEquals([status, code], [400, body === "[]" ? "invalid_value" : "invalid_json"]);
  }
});

Deno.test("A body that is not UTF-8 is refused", async () => {
  using kit = await readyKit();
  const response = await kit.request("/v1/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]),
  });
  assertEquals(await refusal(response), { status: 400, code: "invalid_json", param: null });
});

Deno.test("Another or no content type is refused with 415", async () => {
  using kit = await readyKit();
  for (const type of ["text/plain", "application/x-www-form-urlencoded", ""]) {
    const response = await kit.chat({}, { headers: { "content-type": type } });
    assertEquals(await refusal(response), {
      status: 415,
      code: "unsupported_media_type",
      param: null,
    });
  }
  const json = await kit.chat({}, {
    headers: { "content-type": "Application/JSON; charset=utf-8" },
  });
  assertEquals(json.status, 200);
  await json.text();
});

Deno.test("A compressed body is refused with 415, one that says identity is read", async () => {
  using kit = await readyKit();
  for (const encoding of ["gzip", "zstd", "identity, gzip"]) {
    const response = await kit.chat({}, { headers: { "content-encoding": encoding } });
    const { error } = errorBodySchema.parse(await response.json());
    assertEquals([response.status, error.code], [415, "unsupported_media_type"]);
    assertMatch(error.message, new RegExp(`${encoding}, send it uncompressed$`));
  }
  const plain = await kit.chat({}, { headers: { "content-encoding": "Identity" } });
  assertEquals(plain.status, 200);
  await plain.text();
});

Deno.test("A body beyond the limit is refused with 413, whether announced or streamed", async () => {
  using kit = await readyKit({ options: { maxBodyBytes: 1000 } });
  const announced = await kit.complete({ prompt: "x".repeat(2000) });
  assertEquals((await refusal(announced)).status, 413);
  const chunk = new TextEncoder().encode(" ".repeat(400));
  let chunks = 0;
  const endless = new ReadableStream({
    pull(controller) {
      chunks++;
      controller.enqueue(chunk);
    },
  });
  const streamed = await kit.request("/v1/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: endless,
  });
  assertEquals(await refusal(streamed), {
    status: 413,
    code: "request_too_large",
    param: null,
  });
  assertEquals(chunks < 6, true);
});

Deno.test("An unknown model is refused with 404 and never becomes a metric label", async () => {
  using kit = await readyKit();
  const response = await kit.chat({ model: "my-secret-model" });
  assertEquals(await refusal(response), { status: 404, code: "model_not_found", param: "model" });
  const { body } = await kit.metrics.render("");
  assertMatch(body, /requests_total\{model="unknown_model".*error_type="not_found"\} 1/);
  assertEquals(body.includes("my-secret-model"), false);
});

Deno.test("Wrong values are refused with the parameter's path", async () => {
  using kit = await readyKit();
  const cases: [Record<string, unknown>, string, string][] = [
    [{ max_tokens: -1 }, "invalid_value", "max_tokens"],
    [{ temperature: -1 }, "invalid_value", "temperature"],
    [{ top_k: -3 }, "invalid_value", "top_k"],
    [{ n: 2 }, "unsupported_parameter", "n"],
    [{ tools: [{}] }, "unsupported_parameter", "tools"],
    [{ logprobs: true }, "unsupported_parameter", "logprobs"],
    [{ response_format: { type: "json_object" } }, "unsupported_parameter", "response_format"],
    [{ temprature: 1 }, "unknown_parameter", "temprature"],
    [{ messages: [{ role: "user", content: 5 }] }, "invalid_value", "messages.0.content"],
  ];
  for (const [body, code, param] of cases) {
    assertEquals(await refusal(await kit.chat(body)), { status: 400, code, param });
  }
  assertEquals(kit.model.requests, []);
});

Deno.test("Token ids outside the vocabulary are refused by position", async () => {
  using kit = await readyKit();
  assertEquals(await refusal(await kit.complete({ prompt: [5, 99_999] })), {
    status: 400,
    code: "invalid_value",
    param: "prompt.1",
  });
});

Deno.test("A prompt that fills the context is refused, one that leaves a token is not", async () => {
  using kit = await readyKit();
  const full = await kit.complete({ prompt: "x".repeat(127) });
  assertEquals(await refusal(full), {
    status: 400,
    code: "context_length_exceeded",
    param: "prompt",
  });
  const fits = await kit.complete({ prompt: "x".repeat(126) });
  assertEquals((await fits.json()).usage.completion_tokens, 1);
});

Deno.test("A text that cannot fit is refused without being tokenised", async () => {
  using kit = await readyKit();
  const response = await kit.complete({ prompt: "x".repeat(50_000) });
  const { error } = await response.json();
  assertEquals([response.status, error.code], [400, "context_length_exceeded"]);
  assertMatch(error.message, /at least \d+: shorten it/);
  assertEquals(kit.telemetry.of("tokenize"), []);
});

Deno.test("Messages that the chat template rejects are the client's fault", async () => {
  using kit = await readyKit();
  const response = await kit.chat({ messages: [{ role: "user", content: "raise" }] });
  const { error } = await response.json();
  assertEquals([response.status, error.code, error.param], [
    400,
    "invalid_chat_template",
    "messages",
  ]);
  assertMatch(error.message, /no such turn/);
});

Deno.test("Without a decode worker a known model gets 503 with Retry-After", async () => {
  using kit = await readyKit();
  kit.bus.instances.remove("d1");
  const response = await kit.chat();
  assertEquals(response.headers.get("retry-after"), "1");
  assertEquals(await refusal(response), { status: 503, code: "no_workers", param: null });
});

Deno.test("A draining decode worker is no decode worker", async () => {
  using kit = await readyKit();
  await kit.worker({ role: "decode", instanceId: "d1", state: "draining" });
  assertEquals((await refusal(await kit.chat())).code, "no_workers");
});

Deno.test("Full queues everywhere are an overload, before and after asking the workers", async () => {
  using kit = await FrontendKit.start();
  await kit.worker({ role: "decode", instanceId: "d1", load: { waitingSequences: 4 } });
  const seen = await kit.chat();
  assertEquals(seen.headers.get("retry-after"), "1");
  assertEquals(await refusal(seen), { status: 503, code: "overloaded", param: null });
  assertEquals(kit.model.requests, []);
});

Deno.test("More requests in progress than the limit get 503 with Retry-After", async () => {
  using kit = await FrontendKit.start({ options: { maxInflight: 1 } });
  const held = Promise.withResolvers<void>();
  await kit.pair({ decode: { onToken: () => held.promise } });
  const first = await kit.chat({ stream: true });
  const second = await kit.chat();
  assertEquals(second.headers.get("retry-after"), "1");
  assertEquals(await refusal(second), { status: 503, code: "overloaded", param: null });
  held.resolve();
  await first.text();
  const third = await kit.chat();
  assertEquals(third.status, 200);
  await third.text();
});

Deno.test("A refusal is recorded as rejected, with its code and without a failed span", async () => {
  using kit = await readyKit();
  await (await kit.chat({ n: 2 })).text();
  const [root] = kit.telemetry.of("http_request");
  assertEquals(root?.attributes["request.outcome"], "rejected");
  assertEquals(root?.attributes["error.type"], "unsupported_parameter");
  assertEquals(root?.attributes["http.response.status_code"], 400);
  assertEquals([root?.failure, root?.isEnded], [null, true]);
  assertEquals(kit.telemetry.endRecords().map((line) => line.message), ["request rejected"]);
});

Deno.test("Refusals carry the request id and the trace too", async () => {
  using kit = await readyKit();
  const response = await kit.chat({ n: 2 }, { headers: { "x-request-id": "mine-2" } });
  assertEquals(response.headers.get("x-request-id"), "mine-2");
  assertMatch(response.headers.get("traceparent") ?? "", /^00-/);
  await response.body?.cancel();
});

Deno.test("Another method on a completion endpoint is refused with 405", async () => {
  using kit = await readyKit();
  const response = await kit.get("/v1/chat/completions");
  assertEquals([response.status, response.headers.get("allow")], [405, "POST"]);
  await response.body?.cancel();
});

Deno.test("Another method than GET and HEAD on what is read is refused with 405", async () => {
  using kit = await readyKit();
  for (const path of ["/v1/models", "/v1/models/org/tiny", "/live", "/health", "/metrics"]) {
    const response = await kit.request(path, { method: "DELETE" });
    assertEquals(response.headers.get("allow"), "GET, HEAD");
    const { status, code } = await refusal(response);
    assertEquals([status, code], [405, "method_not_allowed"], path);
  }
  const head = await kit.request("/v1/models", { method: "HEAD" });
  assertEquals([head.status, await head.text()], [200, ""]);
});

Deno.test("More messages than the context has tokens are refused before they are rendered", async () => {
  using kit = await readyKit();
  const messages = Array.from({ length: 128 }, () => ({ role: "user", content: "" }));
  const refused = await refusal(await kit.chat({ messages }));
  assertEquals([refused.status, refused.code, refused.param], [
    400,
    "context_length_exceeded",
    "messages",
  ]);
  assertEquals(kit.telemetry.of("template"), []);
});
