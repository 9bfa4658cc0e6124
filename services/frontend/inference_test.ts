import { assertEquals, assertMatch, assertNotEquals } from "@std/assert/mod.js";
import {
  chatChunkSchema,
  chatResponseSchema,
  completionResponseSchema,
} from "../../shared/openai/mod.ts";
import { byteTokens, FakeModel, modelCard, WORKER_SPAN_ID } from "./testing/fake_worker.ts";
import { FrontendKit, readEvents, textOf } from "./testing/frontend_kit.ts";

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}

Deno.test("POST /v1/chat/completions answers whole, with usage", async () => {
  using kit = await FrontendKit.start({ answer: "Hello, world" });
  await kit.pair();
  const response = await kit.chat();
  assertEquals(response.status, 200);
  const body = chatResponseSchema.parse(await response.json());
  assertEquals(body.choices[0], {
    index: 0,
    message: { role: "assistant", content: "Hello, world", refusal: null },
    logprobs: null,
    finish_reason: "stop",
  });
  const promptTokens = byteTokens("[user]Hi[assistant]").length;
  assertEquals(body.usage, {
    prompt_tokens: promptTokens,
    completion_tokens: 13,
    total_tokens: promptTokens + 13,
    prompt_tokens_details: { cached_tokens: 0 },
  });
});

Deno.test("POST /v1/chat/completions streams chunks that end with the reason and [DONE]", async () => {
  using kit = await FrontendKit.start({ answer: "Hey" });
  await kit.pair();
  const response = await kit.chat({ stream: true });
  assertEquals(response.headers.get("content-type"), "text/event-stream");
  const events = await readEvents(response);
  assertEquals(events.pop(), "[DONE]");
  const chunks = events.map((event) => chatChunkSchema.parse(event));
  assertEquals(chunks.map((chunk) => chunk.choices[0]?.delta), [
    { role: "assistant", content: "H" },
    { content: "e" },
    { content: "y" },
    {},
  ]);
  assertEquals(chunks.at(-1)?.choices[0]?.finish_reason, "stop");
  assertEquals(new Set(chunks.map((chunk) => chunk.id)).size, 1);
});

Deno.test("POST /v1/chat/completions with include_usage ends with a chunk of usage only", async () => {
  using kit = await FrontendKit.start({ answer: "Hey" });
  await kit.pair({ prefill: { cachedTokens: 16 } });
  const events = await readEvents(
    await kit.chat({ stream: true, stream_options: { include_usage: true } }),
  );
  const usage = events.at(-2);
  assertEquals(usage.choices, []);
  assertEquals(usage.usage.completion_tokens, 4);
  assertEquals(usage.usage.prompt_tokens_details.cached_tokens, 16);
  assertEquals(events.slice(0, -2).every((event) => event.usage === null), true);
});

Deno.test("POST /v1/completions continues a text prompt and a token prompt", async () => {
  using kit = await FrontendKit.start({ answer: " upon a time" });
  await kit.pair();
  const text = completionResponseSchema.parse(await (await kit.complete()).json());
  assertEquals([text.choices[0]?.text, text.choices[0]?.finish_reason], [" upon a time", "stop"]);
  assertEquals(kit.model.requests[0]?.promptTokens, [1, ...byteTokens("Once")]);
  const ids = await (await kit.complete({ prompt: byteTokens("Twice") })).json();
  assertEquals(ids.usage.prompt_tokens, 5);
  assertEquals(kit.model.requests.at(-1)?.promptTokens, byteTokens("Twice"));
});

Deno.test("POST /v1/completions streams text choices", async () => {
  using kit = await FrontendKit.start({ answer: "abc" });
  await kit.pair();
  const events = await readEvents(await kit.complete({ stream: true, max_tokens: 2 }));
  assertEquals(events.slice(0, -1).map((event) => event.choices[0].text), ["a", "b", ""]);
  assertEquals(events.at(-2).choices[0].finish_reason, "length");
});

Deno.test("A request is disaggregated: prefill and decode share one transfer", async () => {
  using kit = await FrontendKit.start();
  await kit.pair();
  await (await kit.chat()).body?.cancel();
  const [prefill, decode] = kit.model.requests;
  assertEquals([prefill?.phase, decode?.phase], ["prefill", "decode"]);
  assertEquals(prefill?.transferId, decode?.transferId);
  assertNotEquals(prefill?.transferId, undefined);
});

Deno.test("A request is aggregated where it cannot or need not be disaggregated", async () => {
  using alone = await FrontendKit.start();
  await alone.worker({ role: "decode", instanceId: "d1" });
  await (await alone.chat()).text();
  assertEquals(alone.model.requests.map((request) => request.phase), ["aggregate"]);

  using short = await FrontendKit.start({ options: { localPrefillMaxTokens: 100 } });
  await short.pair();
  await (await short.chat()).text();
  assertEquals(short.model.requests.map((request) => request.phase), ["aggregate"]);

  using one = await FrontendKit.start();
  await one.pair();
  await (await one.chat({ max_tokens: 1 })).text();
  assertEquals(one.model.requests.map((request) => request.phase), ["aggregate"]);
});

Deno.test("A first token that ends the text ends the answer without the decode worker", async () => {
  using kit = await FrontendKit.start({ answer: "" });
  const waiting = Promise.withResolvers<void>();
  await kit.pair({ decode: { onRequest: () => waiting.promise } });
  const body = await (await kit.chat()).json();
  assertEquals([body.choices[0].message.content, body.choices[0].finish_reason], ["", "stop"]);
  assertEquals(body.usage.completion_tokens, 1);
  assertEquals(kit.bus.openCalls("d1"), 0);
  const [, { attributes }] = kit.telemetry.of("route_request");
  assertEquals(attributes["cancellation.signal"], "superseded");
  waiting.resolve();
});

Deno.test("A first token that ends the text lets a decode worker that has begun end by itself", async () => {
  using kit = await FrontendKit.start({ answer: "" });
  await kit.pair();
  await (await kit.chat()).text();
  const routes = kit.telemetry.of("route_request");
  assertEquals(routes.map(({ attributes }) => attributes["request.outcome"]), [
    "success",
    "success",
  ]);
  assertEquals(routes.map(({ attributes }) => attributes["cancellation.signal"]), [
    undefined,
    undefined,
  ]);
});

Deno.test("The first token reaches the client before the decode worker has begun", async () => {
  using kit = await FrontendKit.start({ answer: "Hey" });
  const begun = Promise.withResolvers<void>();
  await kit.pair({ decode: { onRequest: () => begun.promise } });
  const response = await kit.chat({ stream: true });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  assertMatch((await reader.read()).value!, /"content":"H"/);
  begun.resolve();
  let rest = "";
  for (let next = await reader.read(); !next.done; next = await reader.read()) rest += next.value;
  assertMatch(rest, /\[DONE\]/);
});

Deno.test("A first token without text of its own opens the stream with an empty chunk", async () => {
  using kit = await FrontendKit.start({ answer: "é!" });
  await kit.pair();
  const events = await readEvents(await kit.chat({ stream: true }));
  assertEquals(events.slice(0, 3).map((event) => event.choices[0].delta), [
    { role: "assistant", content: "" },
    { content: "é" },
    { content: "!" },
  ]);
});

Deno.test("Characters of several tokens are never broken, whatever the frames", async () => {
  const answer = "naïve 日本語 👩‍🚀 fin";
  for (const frameTokens of [1, 2, 3, 7]) {
    using kit = await FrontendKit.start({ answer });
    await kit.worker({ role: "decode", instanceId: "d1", frameTokens });
    const events = await readEvents(await kit.chat({ stream: true }));
    const pieces = events.slice(0, -1).map((event) => event.choices[0].delta.content ?? "");
    assertEquals(pieces.join(""), answer);
    assertEquals(pieces.some((piece) => piece.includes("\uFFFD")), false);
  }
});

Deno.test("A stop string across token borders ends the text before it and stops the worker", async () => {
  using kit = await FrontendKit.start({ answer: "one END two" });
  await kit.pair({
    decode: { onToken: (index, call) => index < 7 ? undefined : untilAborted(call.signal) },
  });
  const events = await readEvents(
    await kit.chat({ stream: true, stop: ["END"], stream_options: { include_usage: true } }),
  );
  assertEquals(textOf(events), "one ");
  assertEquals(events.at(-3).choices[0].finish_reason, "stop");
  assertEquals(events.at(-2).usage.completion_tokens, "one END".length);
  assertEquals(kit.bus.openCalls("d1"), 0);
  const decode = kit.telemetry.of("route_request").at(-1);
  assertEquals(decode?.attributes["request.outcome"], "success");
  assertEquals(decode?.attributes["cancellation.signal"], "stop_string");
});

Deno.test("A beginning of a stop string that stays one is shown at the end", async () => {
  using kit = await FrontendKit.start({ answer: "the EN" });
  await kit.pair();
  const body = await (await kit.chat({ stop: "END" })).json();
  assertEquals(body.choices[0].message.content, "the EN");
});

Deno.test("max_tokens ends the answer with reason length and is clamped to the context", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  await kit.pair();
  const body = await (await kit.chat({ max_tokens: 3 })).json();
  assertEquals([body.choices[0].message.content, body.choices[0].finish_reason], [
    "Hel",
    "length",
  ]);
  await (await kit.chat({ max_tokens: 100_000 })).text();
  const promptTokens = byteTokens("[user]Hi[assistant]").length;
  assertEquals(kit.model.requests.at(-1)?.maxTokens, 128 - promptTokens);
  await (await kit.chat()).text();
  assertEquals(kit.model.requests.at(-1)?.maxTokens, 128 - promptTokens);
});

Deno.test("The context is what the workers' KV caches hold when that is less", async () => {
  using kit = await FrontendKit.start();
  await kit.worker({ role: "decode", instanceId: "d1", load: { totalBlocks: 2 } });
  await (await kit.complete({ prompt: "abc", max_tokens: 1000 })).text();
  assertEquals(kit.model.requests[0]?.maxTokens, 2 * 16 - 4);
});

Deno.test("Sampling parameters reach the workers, and a random seed where none was given", async () => {
  using kit = await FrontendKit.start();
  await kit.pair();
  await (await kit.chat({ temperature: 0.5, top_p: 0.9, top_k: 7, seed: -1 })).text();
  const sampling = { temperature: 0.5, topP: 0.9, topK: 7, seed: -1 };
  assertEquals(kit.model.requests.map((request) => request.sampling), [sampling, sampling]);
  await (await kit.chat()).text();
  await (await kit.chat()).text();
  const seeds = kit.model.requests.slice(2).map((request) => request.sampling.seed);
  assertEquals(seeds[0], seeds[1]);
  assertNotEquals(seeds[0], seeds[2]);
});

Deno.test("ignore_eos goes on past the model's end", async () => {
  using kit = await FrontendKit.start({ answer: "ab" });
  await kit.worker({ role: "decode", instanceId: "d1" });
  const body = await (await kit.chat({ ignore_eos: true, max_tokens: 3 })).json();
  assertEquals(kit.model.requests[0]?.stopTokenIds, []);
  assertEquals([body.choices[0].message.content, body.choices[0].finish_reason], ["ab", "length"]);
});

Deno.test("Responses carry the trace, the client's request id and the stages' times", async () => {
  using kit = await FrontendKit.start();
  await kit.pair();
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const headers = {
    traceparent: `00-${traceId}-b7ad6b7169203331-01`,
    "x-request-id": "mine-1",
  };
  const whole = await kit.chat({}, { headers });
  assertMatch(whole.headers.get("traceparent") ?? "", new RegExp(`^00-${traceId}-`));
  assertEquals(whole.headers.get("x-request-id"), "mine-1");
  assertMatch(
    whole.headers.get("server-timing") ?? "",
    /^preprocess;dur=[\d.]+, route;dur=[\d.]+, dispatch;dur=[\d.]+, queue;dur=2.00, prefill;dur=8.00, ttft;dur=[\d.]+, kv_transfer;dur=3.00, decode;dur=40.00, total;dur=[\d.]+$/,
  );
  await whole.body?.cancel();
  const stream = await kit.chat({ stream: true }, { headers });
  assertMatch(
    stream.headers.get("server-timing") ?? "",
    /^preprocess;dur=[\d.]+, route;dur=[\d.]+, dispatch;dur=[\d.]+, queue;dur=[\d.]+, prefill;dur=[\d.]+, ttft;dur=[\d.]+$/,
  );
  await stream.text();
  for (const sent of kit.model.headers) {
    assertMatch(sent.traceparent ?? "", new RegExp(`^00-${traceId}-`));
    assertEquals(sent["x-request-id"], "mine-1");
  }
});

Deno.test("A generated request id is returned where the client sent none or an unusable one", async () => {
  using kit = await FrontendKit.start();
  await kit.pair();
  for (const init of [{}, { headers: { "x-request-id": "a b\tc" } }]) {
    const response = await kit.chat({}, init);
    const id = response.headers.get("x-request-id") ?? "";
    assertMatch(id, /^[0-9a-f]{8}-[0-9a-f-]{27}$/);
    assertEquals((await response.json()).id, `chatcmpl-${id}`);
  }
});

Deno.test("The span tree of a disaggregated stream is whole and ends with the body", async () => {
  using kit = await FrontendKit.start({ answer: "Hey" });
  await kit.pair();
  const response = await kit.chat({ stream: true });
  const [root] = kit.telemetry.of("http_request");
  assertEquals(root?.isEnded, false);
  await response.text();
  assertEquals(root?.children.map((child) => child.role), [
    "preprocess",
    "prefill_routing",
    "decode_routing",
    "http_stream",
  ]);
  assertEquals(root?.children[0]?.children.map((child) => child.role), ["template", "tokenize"]);
  assertEquals(root?.children[1]?.children.map((child) => child.role), [
    "select_worker",
    "route_request",
  ]);
  assertEquals(kit.telemetry.spans.filter((span) => !span.isEnded), []);
  assertEquals(root?.endCount, 1);
  const { attributes } = root!;
  assertEquals(attributes["request.outcome"], "success");
  assertEquals(attributes["http.response.status_code"], 200);
  assertEquals(attributes["gen_ai.usage.output_tokens"], 4);
  assertEquals(attributes["gen_ai.response.finish_reasons"], ["stop"]);
  assertEquals([attributes.prefill_worker_id, attributes.decode_worker_id], ["p1", "d1"]);
  assertEquals(typeof attributes.ttft_ms, "number");
  const latency = (key: string) => attributes[`gen_ai.latency.${key}`];
  assertEquals(latency("time_to_first_token"), Number(attributes.ttft_ms) / 1000);
  assertEquals([latency("time_in_queue"), latency("time_in_model_prefill")], [0.002, 0.008]);
  assertEquals([latency("time_in_model_decode"), latency("kv_cache_transfer_time")], [0.04, 0.003]);
  assertEquals([latency("time_in_model_inference"), typeof latency("e2e")], [0.048, "number"]);
});

Deno.test("The span of an attempt names the worker's span, as its frames do", async () => {
  using kit = await FrontendKit.start();
  await kit.pair();
  await (await kit.chat()).text();
  assertEquals(
    kit.telemetry.of("route_request").map(({ attributes }) => attributes["worker.span_id"]),
    [WORKER_SPAN_ID, WORKER_SPAN_ID],
  );
});

Deno.test("A request has one end record, and no text of prompt or answer is logged", async () => {
  using kit = await FrontendKit.start({ answer: "top secret answer" });
  await kit.pair();
  await (await kit.chat({ messages: [{ role: "user", content: "top secret prompt" }] })).text();
  const [record, ...more] = kit.telemetry.endRecords();
  assertEquals(more, []);
  assertEquals([record?.message, record?.fields.status, record?.fields.http_status], [
    "request completed",
    "success",
    200,
  ]);
  assertEquals(record?.fields.output_tokens, "top secret answer".length + 1);
  assertEquals(JSON.stringify(kit.telemetry.lines).includes("secret"), false);
  const attributes = kit.telemetry.spans.map((span) => span.attributes);
  assertEquals(JSON.stringify(attributes).includes("secret"), false);
});

Deno.test("Chats need a template, completions do not", async () => {
  const { chatTemplate: _, ...card } = modelCard();
  using kit = await FrontendKit.start({ model: await FakeModel.create("ok", card) });
  await kit.pair();
  const chat = await kit.chat();
  assertEquals(chat.status, 400);
  assertEquals((await chat.json()).error.code, "invalid_chat_template");
  assertEquals((await (await kit.complete()).json()).choices[0].text, "ok");
});
