/**
 * Golden trees of requests that are cut short: by a client that leaves, or by a worker that is killed.
 * To write the files anew, see served_test.ts.
 */

import { assertEquals } from "@std/assert/mod.js";
import { answerOf, GoldenStack, newClient, streamedText } from "./golden_stack.ts";

/** The prompt takes one step, long enough to leave or kill in its middle. */
const SLOW_PREFILL = {
  DYN_ENGINE: "simulated",
  DYN_MAX_BATCH_TOKENS: "512",
  DYN_SIM_STEP_US: "5000",
  DYN_SIM_PREFILL_TOKEN_US: "3000",
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

/** Reads the stream until it has brought `count` events. */
async function readEvents(
  reader: ReadableStreamDefaultReader<string>,
  count: number,
): Promise<string> {
  let text = "";
  while (text.split("\n\n").length <= count) text += (await reader.read()).value ?? "";
  return text;
}

async function readRest(reader: ReadableStreamDefaultReader<string>): Promise<string> {
  let text = "";
  for (let next = await reader.read(); !next.done; next = await reader.read()) text += next.value;
  return text;
}

function readerOf(response: Response): ReadableStreamDefaultReader<string> {
  return response.body!.pipeThrough(new TextDecoderStream()).getReader();
}

Deno.test("golden: cancelled_prefilling", async () => {
  const client = newClient();
  const abort = new AbortController();
  const answer = golden.ask("completions", completion(longPrompt("cat")), {
    ...client,
    signal: abort.signal,
  });
  await golden.running(2);
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
  const reader = readerOf(await golden.ask("completions", endless, client));
  await readEvents(reader, 3);
  await reader.cancel();
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
  const answer = answerOf(golden.ask("completions", body, client));
  await golden.running(2);
  await golden.killPrefill(prefill!.pid, decode!.pid, client);
  const { text } = await answer;
  await golden.assertTrace("killed_in_prefill", {
    about:
      "The prefill worker is killed while it computes the prompt; the decode worker does it all",
    traceId: client.traceId,
    client,
    killed: [prefill!.instance],
    varying: ["queue.running"],
  });
  const undisturbed = await answerOf(golden.ask("completions", body));
  assertEquals(streamedText(text), streamedText(undisturbed.text));
});

Deno.test("golden: killed_in_decode", async () => {
  await using pair = await GoldenStack.start({ decodeCount: 2, env: SLOW_PREFILL });
  const body = completion("fox", { max_tokens: 200 });
  const client = newClient();
  const reader = readerOf(await pair.ask("completions", body, client));
  const begun = await readEvents(reader, 4);
  const decode = await pair.processOf(await pair.busy("decode"));
  Deno.kill(decode.pid, "SIGKILL");
  const text = begun + await readRest(reader);
  await pair.assertTrace("killed_in_decode", {
    about: "The decode worker is killed in mid-stream; the other one goes on where it was",
    traceId: client.traceId,
    client,
    killed: [decode.instance],
    varying: [
      "gen_ai.usage.input_tokens",
      "gen_ai.usage.output_tokens",
      "migration.tokens_completed",
      "output.tokens",
      "prompt.tokens",
    ],
  });
  const undisturbed = await answerOf(pair.ask("completions", body));
  assertEquals(streamedText(text), streamedText(undisturbed.text));
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
  const reader = readerOf(await wide.ask("completions", body, client));
  const begun = await readEvents(reader, 1);
  await wide.killPrefill(prefill!.pid, decode!.pid, client);
  const text = begun + await readRest(reader);
  await wide.assertTrace("killed_in_kv_transfer", {
    about: "The prefill worker is killed after the first token, while its KV is on its way",
    traceId: client.traceId,
    client,
    killed: [prefill!.instance],
    varying: ["kv.blocks", "kv.bytes", "kv.chunks", "kv.tokens", "queue.running"],
  });
  const undisturbed = await answerOf(wide.ask("completions", body));
  assertEquals(streamedText(text), streamedText(undisturbed.text));
});
