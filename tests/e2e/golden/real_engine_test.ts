/**
 * Golden trees of a real model, which the CPU computes here: its tree is that of the simulated engine.
 * To write the files anew, see served_test.ts.
 */

import { assertEquals, assertMatch } from "@std/assert/mod.js";
import { answerOf, AnswerStream } from "./answer_stream.ts";
import { GoldenStack, newClient } from "./golden_stack.ts";

const MODEL = "stories15m";
/** Each of its tokens takes long enough on any machine to kill a worker before the last. */
const LARGER_MODEL = "smollm2-135m-instruct";
const ONE_CORE = { DYN_DEVICE: "cpu", DYN_CPU_THREADS: "1" };

/** They tell where the first worker was when it died. */
const DIVIDED_COUNTS = [
  "gen_ai.usage.input_tokens",
  "gen_ai.usage.output_tokens",
  "migration.tokens_completed",
  "output.tokens",
  "prompt.tokens",
];

let golden: GoldenStack;

Deno.test.beforeAll(async () => {
  golden = await GoldenStack.start({
    model: MODEL,
    decodeCount: 2,
    env: { ...ONE_CORE, DYN_TRACE_LEVEL_REMOTE: "3" },
  });
});

Deno.test.afterAll(() => golden[Symbol.asyncDispose]());

function completion(prompt: string, isStream: boolean) {
  return {
    model: MODEL,
    prompt,
    temperature: 0,
    seed: 7,
    max_tokens: 120,
    ignore_eos: true,
    stream: isStream,
  };
}

Deno.test("golden: real_stream", async () => {
  const { traceId, text } = await answerOf(
    golden.ask("completions", completion("Once upon a time", true)),
  );
  assertMatch(text, /\[DONE\]/);
  await golden.assertTrace("real_stream", {
    about: "A streamed completion of a real model, disaggregated",
    traceId,
  });
});

Deno.test("golden: real_unary", async () => {
  const { traceId } = await answerOf(
    golden.ask("completions", completion("A dog and a cat", false)),
  );
  await golden.assertTrace("real_unary", {
    about: "A completion of a real model in one piece, disaggregated",
    traceId,
  });
});

Deno.test("golden: killed_in_decode", async () => {
  await using larger = await GoldenStack.start({
    model: LARGER_MODEL,
    decodeCount: 2,
    env: ONE_CORE,
  });
  const processes = new Map(
    await Promise.all(
      larger.stack.workers.map(async (it) => [it.name, await larger.processOf(it)] as const),
    ),
  );
  const body = {
    ...completion("Tom had a red ball", true),
    model: LARGER_MODEL,
    max_tokens: 150,
  };
  const client = newClient();
  const stream = new AnswerStream(await larger.ask("completions", body, client));
  await stream.read(4);
  const decode = processes.get((await larger.busy("decode")).name)!;
  Deno.kill(decode.pid, "SIGKILL");
  const text = await stream.text();
  await larger.assertTrace("killed_in_decode", {
    about:
      "The decode worker of a real model is killed in mid-stream; the other one goes on where it was",
    traceId: client.traceId,
    client,
    killed: [decode.instance],
    varying: DIVIDED_COUNTS,
  });
  assertEquals(text, await new AnswerStream(await larger.ask("completions", body)).text());
});

Deno.test("golden: step_cpu", async () => {
  await assertStep(golden, {
    name: "step_cpu",
    about: "The step in which the CPU computed a prompt, with its passes",
  });
});

Deno.test("golden: step_webgpu", async () => {
  await using gpu = await GoldenStack.start({
    model: MODEL,
    prefillCount: 0,
    env: { DYN_DEVICE: "webgpu", DYN_TRACE_LEVEL_REMOTE: "3" },
  });
  await assertStep(gpu, {
    name: "step_webgpu",
    about: "The step in which a WebGPU device with timestamps computed a prompt, with its passes",
  });
});

async function assertStep(
  on: GoldenStack,
  { name, about }: { readonly name: string; readonly about: string },
): Promise<void> {
  const client = newClient();
  const headers = { ...client.headers, tracestate: "baton=l:3" };
  await answerOf(on.ask("completions", completion("Lily saw a big dog", true), { headers }));
  await on.assertPromptStep(name, { about, requestTraceId: client.traceId });
}
