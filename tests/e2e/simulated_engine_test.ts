/** The whole of `start` on the simulated engine: many streams, and what its faults look like outside. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert/mod.js";
import { NatsServer } from "../bus/nats_server_kit.ts";
import type { SinkSpan } from "../kit/otlp_sink.ts";
import { Stack } from "../kit/stack.ts";
import { eventually } from "../kit/waits.ts";

const ENV = {
  DYN_ENGINE: "simulated",
  DYN_SIM_STEP_US: "0",
  DYN_SIM_ROW_US: "0",
  DYN_SIM_PREFILL_TOKEN_US: "0",
  DYN_SIM_ANSWER_TOKENS: "0",
  DYN_QUEUE_LIMIT: "500",
  DYN_KV_CACHE_TOKENS: "65536",
};

interface Answer {
  readonly status: number;
  /** Body, or its events. */
  readonly text: string;
}

async function complete(
  stack: Stack,
  prompt: string,
  request: Readonly<Record<string, unknown>> = {},
): Promise<Answer> {
  const response = await stack.post("completions", {
    model: "simulated",
    prompt,
    max_tokens: 32,
    temperature: 0,
    stream: true,
    ...request,
  });
  return { status: response.status, text: await response.text() };
}

function textOf({ status, text }: Answer): string {
  assertEquals(status, 200, text);
  const events = text.split("\n\n").filter((event) => event.startsWith("data: {"));
  return events.map((event) => JSON.parse(event.slice(6)).choices[0].text).join("");
}

Deno.test("a simulated stack says what it is, and answers 200 streams at once as it answers one", async () => {
  await using stack = await Stack.start({ env: ENV });
  assertMatch(stack.output, /^Baton is ready after [\d.]+ s: simulated at /m);
  assertMatch(stack.output, /^ {2}device {5}simulated: no device and no model/m);
  const models = await (await fetch(`${stack.url}/v1/models`)).json();
  assertEquals([models.data[0].id, models.data[0].owned_by], ["simulated", "baton-simulated"]);
  const { instances } = await (await fetch(`${stack.url}/health`)).json();
  for (const { device } of instances) assertEquals(device.backend, "simulated");
  await stack.waitForLog((line) => String(line.message).includes("every answer is made up"));

  const alone = textOf(await complete(stack, "prompt 7"));
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, index) => complete(stack, `prompt ${index}`)),
  );
  for (const answer of answers) {
    assertEquals(answer.status, 200);
    assertStringIncludes(answer.text, '"finish_reason":"length"');
    assert(answer.text.endsWith("data: [DONE]\n\n"), answer.text.slice(-200));
  }
  assertEquals(textOf(answers[7]!), alone);
  assertEquals(new Set(answers.map(textOf)).size, 200);
  const areAllServed = (all: readonly SinkSpan[]) =>
    all.filter(({ name }) => name === "handle_payload").length >= 402;
  const spans = await stack.sink.waitFor(areAllServed, 120_000);
  const backends = spans.filter(({ name }) => name === "handle_payload")
    .map(({ attributes }) => attributes["engine.backend"]);
  assertEquals([...new Set(backends)], ["simulated"]);
});

Deno.test("a simulated answer is the same whoever computes the prompt", async () => {
  await using two = await Stack.start({ env: { ...ENV, DYN_SIM_KV_TOKEN_BYTES: "23040" } });
  await using one = await Stack.start({
    prefillCount: 0,
    env: { ...ENV, DYN_SIM_KV_TOKEN_BYTES: "23040" },
  });
  const prompt = "the same text ".repeat(20);
  assertEquals(textOf(await complete(two, prompt)), textOf(await complete(one, prompt)));
});

Deno.test("a simulated fault is an error that says what failed, and the worker comes back", async () => {
  await using stack = await Stack.start({
    prefillCount: 0,
    env: { ...ENV, DYN_SIM_FAULTS: "fail@5" },
  });
  const broken = await complete(stack, "a", { stream: false });
  const { error } = JSON.parse(broken.text);
  assert(broken.status >= 500, `${broken.status} ${broken.text}`);
  assert(!error.message.includes("undefined"), error.message);
  await stack.waitForLog((line) =>
    String(line.error_detail ?? line.message).includes("Cannot run step 5: the simulation says")
  );
  const ready = () => stack.logs.filter(({ message }) => message === "worker ready").length;
  await stack.waitForLog(() => ready() >= 2);
  // Ready is said just before the heartbeat that the frontend routes by.
  await eventually(async () => {
    const health = await fetch(`${stack.url}/health`);
    await health.body?.cancel();
    return health.status === 200;
  });
  const short = await complete(stack, "a", { stream: false, max_tokens: 2 });
  assertEquals(short.status, 200, short.text);
});

Deno.test("an error that nobody caught in a worker's engine thread is a log line and fails the request", async () => {
  await using stack = await Stack.start({
    prefillCount: 0,
    env: { ...ENV, DYN_MIGRATION_LIMIT: "0", DYN_SIM_FAULTS: "crash@5" },
  });
  const { status, text } = await complete(stack, "a", { stream: false });
  assert(status >= 500, `${status} ${text}`);
  const error = await stack.waitForLog(({ message }) => message === "uncaught error");
  assertEquals(
    [error.level, error.thread, error.error],
    ["ERROR", "engine", "Nobody catches this: the simulation crashes in step 5"],
  );
  assertMatch(String(error.stack), /SimulatedBackend\.step/);
  const spans = await stack.sink.waitFor((all) =>
    all.some(({ name }) => name === "handle_payload")
  );
  const payload = spans.find(({ name }) => name === "handle_payload");
  assertEquals(payload?.attributes["error.type"], "engine_failed");
  await stack.stop();
  assertEquals(stack.errorLines.filter((line) => !line.startsWith("{")), []);
});

Deno.test("a NATS server that goes and comes back costs a request no text, with one worker alone", async () => {
  await using nats = await NatsServer.start();
  await using stack = await Stack.start({
    prefillCount: 0,
    env: {
      ...ENV,
      NATS_URL: nats.url,
      DYN_SIM_STEP_US: "20000",
      DYN_WORKER_RETURN_TIMEOUT_MS: "60000",
    },
  });
  const whole = textOf(await complete(stack, "a", { max_tokens: 40 }));
  const response = await stack.post("completions", {
    model: "simulated",
    prompt: "a",
    max_tokens: 40,
    temperature: 0,
    stream: true,
  });
  await nats.kill();
  const text = response.text();
  await stack.waitForLog((line) => line.message === "bus disconnected");
  const later = complete(stack, "a", { max_tokens: 40 });
  await nats.restart();
  assertEquals(textOf({ status: response.status, text: await text }), whole);
  assertEquals(textOf(await later), whole);
});

Deno.test("start refuses a model beside the simulated engine", async () => {
  let message = "";
  try {
    await using _stack = await Stack.start({ model: "stories15m", env: ENV });
  } catch (error) {
    message = String(error);
  }
  assertStringIncludes(message, "Cannot use --model with DYN_ENGINE=simulated");
});
