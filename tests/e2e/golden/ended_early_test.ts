/**
 * Golden trees of requests that are cut short: by a client that leaves, or by a worker that is killed.
 * To write the files anew, see served_test.ts.
 */

import { assertEquals } from "@std/assert/mod.js";
import { AnswerStream } from "./answer_stream.ts";
import { GoldenStack, newClient } from "./golden_stack.ts";

/** The prompt takes one step, long enough to leave or kill in its middle. */
const SLOW_PREFILL = {
  DYN_ENGINE: "simulated",
  DYN_MAX_BATCH_TOKENS: "512",
  DYN_SIM_STEP_US: "5000",
  DYN_SIM_PREFILL_TOKEN_US: "10000",
  DYN_SIM_ANSWER_TOKENS: "0",
};
const LONG_PROMPT_WORDS = 80;

let golden: GoldenStack;

Deno.test.beforeAll(async () => {
  golden = await GoldenStack.start({ env: SLOW_PREFILL });
});

Deno.test.afterAll(() => golden[Symbol.asyncDispose]());

function completion(prompt: string, more: Readonly<Record<string, unknown>> = {}) {
  return {
    model: "simulated",
    prompt,
    temperature: 0,
    seed: 7,
    max_tokens: 20,
    stream: true,
    ...more,
  };
}

function longPrompt(word: string): string {
  return Array(LONG_PROMPT_WORDS).fill(word).join(" ");
}

Deno.test("golden: cancelled_prefilling", async () => {
  const client = newClient();
  const abort = new AbortController();
  const answer = golden.ask("completions", completion(longPrompt("cat")), {
    ...client,
    signal: abort.signal,
  });
  await golden.running();
  abort.abort();
  await answer.catch(() => {});
  await golden.assertTrace("cancelled_prefilling", {
    about: "The client leaves while its prompt is computed",
    traceId: client.traceId,
    client,
  });
});

Deno.test("golden: cancelled_decoding", async () => {
  const client = newClient();
  const endless = completion("dog", { max_tokens: 2000 });
  const stream = new AnswerStream(await golden.ask("completions", endless, client));
  await stream.read(3);
  await stream.leave();
  await golden.assertTrace("cancelled_decoding", {
    about: "The client leaves a stream",
    traceId: client.traceId,
    client,
    varying: ["output.tokens", "gen_ai.usage.output_tokens"],
  });
});

Deno.test("golden: killed_in_prefill", async () => {
  const body = completion(longPrompt("owl"));
  const client = newClient();
  const [prefill, decode] = await Promise.all(
    golden.stack.workers.map((it) => golden.processOf(it)),
  );
  const answer = golden.ask("completions", body, client);
  await golden.running();
  await golden.killPrefill(prefill!.pid, decode!.pid, client);
  const text = await new AnswerStream(await answer).text();
  await golden.assertTrace("killed_in_prefill", {
    about:
      "The prefill worker is killed while it computes the prompt; the decode worker does it all",
    traceId: client.traceId,
    client,
    killed: [prefill!.instance],
    varying: ["queue.running"],
  });
  assertEquals(text, await new AnswerStream(await golden.ask("completions", body)).text());
});

Deno.test("golden: killed_in_kv_transfer", async () => {
  // The prompt takes no time and its KV a second: the first token is there long before the last byte.
  await using wide = await GoldenStack.start({
    env: {
      DYN_ENGINE: "simulated",
      DYN_MAX_BATCH_TOKENS: "2048",
      DYN_KV_CACHE_TOKENS: "2048",
      DYN_SIM_KV_TOKEN_BYTES: "131072",
      DYN_SIM_STEP_US: "0",
      DYN_SIM_ROW_US: "0",
      DYN_SIM_PREFILL_TOKEN_US: "0",
      DYN_SIM_ANSWER_TOKENS: "0",
    },
  });
  const body = completion("ant ".repeat(350));
  const client = newClient();
  const [prefill, decode] = await Promise.all(wide.stack.workers.map((it) => wide.processOf(it)));
  const stream = new AnswerStream(await wide.ask("completions", body, client));
  await stream.read(1);
  await wide.running(wide.stack.workers.slice(1));
  await wide.killPrefill(prefill!.pid, decode!.pid, client);
  const text = await stream.text();
  await wide.assertTrace("killed_in_kv_transfer", {
    about: "The prefill worker is killed after the first token, while its KV is on its way",
    traceId: client.traceId,
    client,
    killed: [prefill!.instance],
    varying: ["kv.blocks", "kv.bytes", "kv.chunks", "kv.tokens", "queue.running"],
  });
  assertEquals(text, await new AnswerStream(await wide.ask("completions", body)).text());
});
