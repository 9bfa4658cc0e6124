/**
 * Golden trees of requests that are served, or refused before they reach a worker.
 *
 * Each scenario runs through real processes. After a change to spans, look at what it does to the trees:
 * `deno test -A tests/e2e/golden -- --update` writes the files anew, and `git diff` shows the rest.
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert/mod.js";
import { answerOf } from "./answer_stream.ts";
import { GoldenStack, newClient } from "./golden_stack.ts";

const MODEL = "simulated";

let golden: GoldenStack;

Deno.test.beforeAll(async () => {
  golden = await GoldenStack.start({
    decodeCount: 2,
    env: {
      DYN_ENGINE: "simulated",
      DYN_TRACE_LEVEL_REMOTE: "3",
      DYN_SIM_STEP_US: "5000",
      DYN_SIM_PREFILL_TOKEN_US: "100",
      DYN_SIM_ANSWER_TOKENS: "20",
    },
  });
});

Deno.test.afterAll(() => golden[Symbol.asyncDispose]());

function chat(content: string, more: Readonly<Record<string, unknown>> = {}) {
  return {
    model: MODEL,
    messages: [{ role: "user", content }],
    temperature: 0,
    seed: 7,
    max_tokens: 100,
    ...more,
  };
}

function completion(prompt: string, more: Readonly<Record<string, unknown>> = {}) {
  return {
    model: MODEL,
    prompt,
    temperature: 0,
    seed: 7,
    max_tokens: 20,
    ignore_eos: true,
    ...more,
  };
}

Deno.test("golden: chat_stream", async () => {
  const { traceId, text } = await answerOf(
    golden.ask("chat/completions", chat("One, streamed", { stream: true })),
  );
  assertMatch(text, /"finish_reason":"stop"[^]*\[DONE\]/);
  await golden.assertTrace("chat_stream", {
    about: "A streamed chat, disaggregated, until the model ends it",
    traceId,
  });
});

Deno.test("golden: chat_unary", async () => {
  const { traceId, text } = await answerOf(golden.ask("chat/completions", chat("Two, whole")));
  assertEquals(JSON.parse(text).choices[0].finish_reason, "stop");
  await golden.assertTrace("chat_unary", {
    about: "A chat answered in one piece, disaggregated, until the model ends it",
    traceId,
  });
});

Deno.test("golden: completion_length", async () => {
  const client = newClient();
  const { text } = await answerOf(
    golden.ask("completions", completion("Three, completed"), client),
  );
  assertEquals(JSON.parse(text).choices[0].finish_reason, "length");
  const spans = await golden.assertTrace("completion_length", {
    about: "A completion in a client's own trace that ends at max_tokens",
    traceId: client.traceId,
    client,
  });
  const root = spans.find(({ name }) => name === "http-request");
  assertEquals(root?.parentSpanId, client.spanId);
});

Deno.test("golden: stop_string", async () => {
  const prompt = "Four, stopped";
  const whole = await answerOf(golden.ask("completions", completion(prompt, { max_tokens: 40 })));
  const text: string = JSON.parse(whole.text).choices[0].text;
  const stop = text.slice(20, 24);
  const { traceId, text: events } = await answerOf(
    golden.ask("completions", completion(prompt, { max_tokens: 500, stream: true, stop })),
  );
  assertMatch(events, /"finish_reason":"stop"/);
  await golden.assertTrace("stop_string", {
    about: "A streamed completion that meets a stop string: the frontend calls the worker off",
    traceId,
    varying: ["output.tokens", "gen_ai.usage.output_tokens"],
  });
});

Deno.test("golden: level_3", async () => {
  const client = newClient();
  const headers = { ...client.headers, tracestate: "vendor=1,baton=l:3" };
  await answerOf(
    golden.ask("chat/completions", chat("Five, in detail ".repeat(12), { stream: true }), {
      headers,
    }),
  );
  await golden.assertTrace("level_3", {
    about: "A streamed chat whose client asks for every detail by its tracestate",
    traceId: client.traceId,
    client,
  });
});

Deno.test("golden: unknown_model", async () => {
  const { traceId, status } = await answerOf(
    golden.ask("chat/completions", chat("Six", { model: "no-such-model" })),
  );
  assertEquals(status, 404);
  await golden.assertTrace("unknown_model", {
    about: "A chat with a model that nobody has",
    traceId,
  });
});

Deno.test("golden: bad_request", async () => {
  const { traceId, status, text } = await answerOf(
    golden.ask("chat/completions", chat("Seven", { temperature: "warm" })),
  );
  assertEquals(status, 400);
  assertStringIncludes(text, "temperature");
  await golden.assertTrace("bad_request", { about: "A chat with a wrong parameter", traceId });
});

Deno.test("golden: malformed_body", async () => {
  const { traceId, status } = await answerOf(golden.ask("chat/completions", '{"model": "simu'));
  assertEquals(status, 400);
  await golden.assertTrace("malformed_body", { about: "A body that is no JSON", traceId });
});

Deno.test("golden: context_exceeded", async () => {
  const { traceId, status } = await answerOf(
    golden.ask("completions", completion("Eight ".repeat(3000))),
  );
  assertEquals(status, 400);
  await golden.assertTrace("context_exceeded", {
    about: "A completion whose prompt is longer than the model's context",
    traceId,
  });
});
