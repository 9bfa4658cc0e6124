/** OpenAI's own client against `task start`: answers, streams, limits, aborts and errors. */

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert/mod.js";
import OpenAI, {
  APIError,
  APIUserAbortError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
} from "openai";
import type { Timings } from "../../shared/openai/mod.ts";
import { Stack } from "../kit/stack.ts";
import { eventually } from "../kit/waits.ts";

type ChatBody = OpenAI.ChatCompletionCreateParamsNonStreaming;
type ChatChunk = OpenAI.ChatCompletionChunk;

const MODEL = "smollm2-135m-instruct";
const CAPITAL = ask("What is the capital of France?", { temperature: 0 });
const CAPITAL_ANSWER = "The capital of France is Paris.";
/** Long enough to be left in the middle: the model's own end is ignored. */
const ENDLESS = {
  ...ask("Write a long story.", { temperature: 0, max_tokens: 1000 }),
  ignore_eos: true,
};

let stack: Stack;
let client: OpenAI;

Deno.test.beforeAll(async () => {
  stack = await Stack.start({ model: MODEL, env: { DYN_HTTP_BODY_LIMIT_MB: "1" } });
  client = clientOf(stack);
});

Deno.test.afterAll(() => stack[Symbol.asyncDispose]());

function clientOf({ url }: Stack, maxRetries = 0): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries });
}

function ask(content: string, options: Partial<ChatBody> = {}): ChatBody {
  return { model: MODEL, messages: [{ role: "user", content }], max_tokens: 32, ...options };
}

async function chatText(body: ChatBody): Promise<string> {
  const { choices } = await client.chat.completions.create(body);
  return choices[0]!.message.content!;
}

async function readChunks(stream: AsyncIterable<ChatChunk>): Promise<ChatChunk[]> {
  return await Array.fromAsync(stream);
}

function textOf(chunks: readonly ChatChunk[]): string {
  return chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
}

function traceIdOf(response: Response): string {
  return response.headers.get("traceparent")!.split("-")[1]!;
}

Deno.test("chat, whole: the answer, why it ended and what it cost", async () => {
  const answer = await client.chat.completions.create(CAPITAL);
  assertEquals(answer.model, MODEL);
  assertEquals(answer.choices.map(({ message, finish_reason }) => [message, finish_reason]), [
    [{ role: "assistant", content: CAPITAL_ANSWER, refusal: null }, "stop"],
  ]);
  const { prompt_tokens, completion_tokens, total_tokens } = answer.usage!;
  assertEquals([prompt_tokens, completion_tokens, total_tokens], [37, 8, 45]);
});

Deno.test("chat, streamed: the same answer in pieces, then usage where it is asked for", async () => {
  const chunks = await readChunks(
    await client.chat.completions.create({
      ...CAPITAL,
      stream: true,
      stream_options: { include_usage: true },
    }),
  );
  assertEquals(textOf(chunks), CAPITAL_ANSWER);
  assertEquals(chunks[0]?.choices[0]?.delta.role, "assistant");
  const ends = chunks.flatMap(({ choices }) => choices[0]?.finish_reason ?? []);
  assertEquals(ends, ["stop"]);
  assertEquals(chunks.at(-1)?.choices, []);
  assertEquals(chunks.at(-1)?.usage?.completion_tokens, 8);
  assertEquals(new Set(chunks.slice(0, -1).map(({ usage }) => usage)), new Set([null]));

  const plain = await readChunks(
    await client.chat.completions.create({ ...CAPITAL, stream: true }),
  );
  assertEquals(textOf(plain), CAPITAL_ANSWER);
  assert(plain.every((chunk) => !("usage" in chunk)));
});

Deno.test("timings come in the last chunk where the client asks for them, and disturb no client", async () => {
  const options = { headers: { "x-baton-timings": "1" } };
  for (const stream_options of [undefined, { include_usage: true }]) {
    const { data: stream, response } = await client.chat.completions
      .create({ ...CAPITAL, stream: true, ...(stream_options && { stream_options }) }, options)
      .withResponse();
    const chunks = await readChunks(stream);
    assertEquals(textOf(chunks), CAPITAL_ANSWER);
    const { timings } = chunks.at(-1) as ChatChunk & { timings: Timings };
    assertEquals(timings.trace_id, traceIdOf(response));
    assertEquals(timings.workers.map(({ phase }) => phase), ["prefill", "decode"]);
    assertEquals(timings.token_workers, [0, 1, 1, 1, 1, 1, 1, 1]);
    assertEquals(timings.token_offsets_ms.length, timings.token_steps.length);
    assert(timings.prefill_ms! > 0 && timings.kv_transfer_ms! > 0 && timings.itl_ms!.p50 > 0);
    assert(timings.prefill_ms! < timings.ttft_ms! && timings.ttft_ms! < timings.total_ms);
  }
  const whole = await client.completions.create(
    { model: MODEL, prompt: "1, 2, 3,", max_tokens: 4, temperature: 0 },
    options,
  ) as OpenAI.Completion & { timings: Timings };
  assertEquals(whole.timings.token_offsets_ms.length, whole.usage?.completion_tokens);
});

Deno.test("completions, whole and streamed, go on with the prompt's text", async () => {
  const body = { model: MODEL, prompt: "1, 2, 3, 4, 5,", max_tokens: 6, temperature: 0 };
  const whole = await client.completions.create(body);
  assertEquals(whole.choices[0]?.text, " 6, 7,");
  assertEquals(whole.choices[0]?.finish_reason, "length");
  const stream = await client.completions.create({ ...body, stream: true });
  const pieces = await Array.fromAsync(stream, ({ choices }) => choices[0]?.text ?? "");
  assertEquals(pieces.join(""), " 6, 7,");
});

Deno.test("usage tells the prompt tokens whose KV was there already", async () => {
  const body = ask("Name a colour. ".repeat(8), { max_tokens: 2, temperature: 0 });
  const first = await client.chat.completions.create(body);
  const second = await client.chat.completions.create(body);
  const cached = second.usage!.prompt_tokens_details!.cached_tokens!;
  const { prompt_tokens } = second.usage!;
  assert(first.usage!.prompt_tokens_details!.cached_tokens! < cached);
  assert(cached % 16 === 0 && prompt_tokens - cached <= 16, `${cached} of ${prompt_tokens}`);
  assertEquals(second.choices, first.choices);
});

Deno.test("stop strings end the text before them, streamed or not", async () => {
  for (const stop of [" of France", ["Berlin", " of"]]) {
    const body = { ...CAPITAL, stop };
    const answer = await client.chat.completions.create(body);
    assertEquals(answer.choices[0]?.message.content, "The capital");
    assertEquals(answer.choices[0]?.finish_reason, "stop");
    const chunks = await readChunks(
      await client.chat.completions.create({ ...body, stream: true }),
    );
    assertEquals(textOf(chunks), "The capital");
  }
});

Deno.test("max_tokens and max_completion_tokens end the text with length", async () => {
  for (const limit of [{ max_tokens: 3 }, { max_completion_tokens: 3, max_tokens: undefined }]) {
    const answer = await client.chat.completions.create({ ...CAPITAL, ...limit });
    assertEquals(answer.choices[0]?.message.content, "The capital of");
    assertEquals(answer.choices[0]?.finish_reason, "length");
    assertEquals(answer.usage?.completion_tokens, 3);
  }
});

Deno.test("a seed gives the same text again, another seed another one", async () => {
  const warm = (seed: number) =>
    chatText(ask("Write about the sea.", { temperature: 1.2, max_tokens: 12, seed }));
  const text = await warm(7);
  assertEquals(await warm(7), text);
  assert(await warm(8) !== text);
});

Deno.test("models are listed and found by name", async () => {
  const { data } = await client.models.list();
  assertEquals(data.map(({ id, object }) => [id, object]), [[MODEL, "model"]]);
  assertEquals((await client.models.retrieve(MODEL)).id, MODEL);
  await assertRejects(() => client.models.retrieve("nope"), NotFoundError);
});

Deno.test("a stream that is aborted stops the engine, and frees its blocks", async () => {
  const decode = stack.workers.find(({ name }) => name === "decode")!;
  const stepsBefore = await stack.metric(decode, "dynamo_component_engine_step_rows_count");
  const { data: stream, response } = await client.chat.completions
    .create({ ...ENDLESS, stream: true }).withResponse();
  const traceId = traceIdOf(response);
  let tokens = 0;
  for await (const { choices } of stream) {
    tokens += choices[0]?.delta.content === undefined ? 0 : 1;
    if (tokens === 4) stream.controller.abort();
  }
  await stack.waitForLog((line) =>
    line.trace_id === traceId && line.target === "baton-decode" &&
    line.message === "request cancelled"
  );
  await eventually(async () =>
    await stack.metric(decode, "dynamo_component_used_blocks") === 0 &&
    await stack.metric(decode, "dynamo_component_running_sequences") === 0
  );
  const spans = await stack.sink.waitForTrace(
    traceId,
    (all) =>
      ["engine.decode", "http-request"].every((span) => all.some(({ name }) => name === span)),
  );
  const attributesOf = (span: string) => spans.find(({ name }) => name === span)!.attributes;
  const generated = Number(attributesOf("engine.decode")["output.tokens"]);
  const steps = await stack.metric(decode, "dynamo_component_engine_step_rows_count") - stepsBefore;
  // The cancel takes its time to get there, and may come in a step: that one's token is nobody's.
  assert(steps - generated <= 1, `${steps} steps for ${generated} tokens`);
  assert(generated < ENDLESS.max_tokens! / 2, `${generated} tokens were generated`);
  assertEquals(attributesOf("http-request")["request.outcome"], "cancelled");
});

Deno.test("a whole answer that is aborted stops the engine too", async () => {
  const abort = new AbortController();
  const xRequestId = `abort-${crypto.randomUUID()}`;
  const answer = client.chat.completions.create(ENDLESS, {
    signal: abort.signal,
    headers: { "x-request-id": xRequestId },
  });
  const rejected = assertRejects(() => answer, APIUserAbortError);
  const isOfDecode = (message: string) =>
    stack.waitForLog((line) =>
      line.x_request_id === xRequestId && line.target === "baton-decode" && line.message === message
    );
  await isOfDecode("request received");
  abort.abort();
  await rejected;
  await isOfDecode("request cancelled");
  const ended = await stack.waitForLog((line) =>
    line.x_request_id === xRequestId && line.target === "baton-frontend" && "status" in line
  );
  assertEquals(ended.status, "cancelled");
});

interface Refusal {
  readonly name: string;
  readonly call: () => Promise<unknown>;
  readonly errorClass: new (...args: never[]) => APIError;
  readonly status: number;
  readonly code: string;
  readonly param: string | null;
}

function chat(changes: Record<string, unknown>): () => Promise<unknown> {
  return async () => await client.chat.completions.create({ ...CAPITAL, ...changes } as ChatBody);
}

function post(contentType: string, body: string): () => Promise<unknown> {
  return async () =>
    await client.post("/chat/completions", { body, headers: { "content-type": contentType } });
}

function badRequest(name: string, call: Refusal["call"], code: string, param: string | null) {
  return { name, call, errorClass: BadRequestError, status: 400, code, param };
}

const REFUSALS: readonly Refusal[] = [
  {
    name: "an unknown model",
    call: chat({ model: "nope" }),
    errorClass: NotFoundError,
    status: 404,
    code: "model_not_found",
    param: "model",
  },
  {
    name: "another content type",
    call: post("text/plain", JSON.stringify(CAPITAL)),
    errorClass: APIError,
    status: 415,
    code: "unsupported_media_type",
    param: null,
  },
  {
    name: "a body over the limit",
    call: chat({ messages: [{ role: "user", content: "a".repeat(1 << 20) }] }),
    errorClass: APIError,
    status: 413,
    code: "request_too_large",
    param: null,
  },
  badRequest("broken JSON", post("application/json", '{"model":'), "invalid_json", null),
  badRequest(
    "a prompt over the context",
    chat({ messages: [{ role: "user", content: " dog".repeat(9000) }] }),
    "context_length_exceeded",
    "messages",
  ),
  ...["max_tokens", "temperature", "top_p", "top_k"].map((param) =>
    badRequest(`a negative ${param}`, chat({ [param]: -1 }), "invalid_value", param)
  ),
  badRequest("no messages", chat({ messages: [] }), "invalid_value", "messages"),
  badRequest("two choices", chat({ n: 2 }), "unsupported_parameter", "n"),
  badRequest("logprobs", chat({ logprobs: true }), "unsupported_parameter", "logprobs"),
  badRequest("an unknown parameter", chat({ max_token: 3 }), "unknown_parameter", "max_token"),
];

for (const { name, call, errorClass, status, code, param } of REFUSALS) {
  Deno.test(`${name} is refused with ${status} ${code}`, async () => {
    const error = await assertRejects(call, APIError);
    assertInstanceOf(error, errorClass);
    assertEquals([error.status, error.code, error.param ?? null], [status, code, param]);
  });
}

Deno.test("a full queue is refused with 503 and Retry-After, and retrying helps", async () => {
  await using full = await Stack.start({
    model: MODEL,
    prefillCount: 0,
    env: { DYN_QUEUE_LIMIT: "0", DYN_MAX_SEQUENCES: "1" },
  });
  const stream = await clientOf(full).chat.completions.create({ ...ENDLESS, stream: true });
  const running = stream[Symbol.asyncIterator]();
  await running.next();
  const error = await assertRejects(
    () => clientOf(full).chat.completions.create(CAPITAL),
    InternalServerError,
  );
  const { status, code, headers } = error;
  assertEquals([status, code, headers?.get("retry-after")], [503, "overloaded", "1"]);
  stream.controller.abort();
  await running.return?.();
  const retried = await clientOf(full, 5).chat.completions.create(CAPITAL);
  assertEquals(retried.choices[0]?.message.content, CAPITAL_ANSWER);
});
