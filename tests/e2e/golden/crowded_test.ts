/**
 * Golden trees where a decode worker does it all, and has one place and little room to wait.
 * To write the files anew, see served_test.ts.
 */

import { assertEquals, assertMatch } from "@std/assert/mod.js";
import { eventually } from "../../kit/waits.ts";
import { answerOf } from "./answer_stream.ts";
import { GoldenStack, newClient } from "./golden_stack.ts";

const ONE_PLACE = {
  DYN_ENGINE: "simulated",
  DYN_MAX_SEQUENCES: "1",
  DYN_SIM_STEP_US: "3000",
  DYN_SIM_ANSWER_TOKENS: "0",
};

let golden: GoldenStack;

Deno.test.beforeAll(async () => {
  golden = await GoldenStack.start({
    prefillCount: 0,
    env: { ...ONE_PLACE, DYN_QUEUE_LIMIT: "1" },
  });
});

Deno.test.afterAll(() => golden[Symbol.asyncDispose]());

function completion(prompt: string, more: Readonly<Record<string, unknown>> = {}) {
  return { model: "simulated", prompt, temperature: 0, seed: 7, max_tokens: 8, ...more };
}

/** Takes the one place of `on` until the answer is left. */
async function takePlace(on: GoldenStack): Promise<AsyncDisposable> {
  const endless = completion("all day long", { stream: true, max_tokens: 7000 });
  const reader = (await on.ask("completions", endless)).body!.getReader();
  await reader.read();
  return { [Symbol.asyncDispose]: () => reader.cancel() };
}

/** Until the frontend routes by a heartbeat that tells of a request in the queue. */
async function queueIsFull(): Promise<void> {
  await eventually(async () => {
    const { instances } = await (await fetch(`${golden.stack.url}/health`)).json();
    return instances[0].waiting === 1;
  });
}

Deno.test("golden: aggregated", async () => {
  const { traceId, text } = await answerOf(
    golden.ask("completions", completion("one worker", { stream: true })),
  );
  assertMatch(text, /\[DONE\]/);
  await golden.assertTrace("aggregated", {
    about: "A streamed completion with no prefill worker up",
    traceId,
  });
});

Deno.test("golden: queued", async () => {
  const client = newClient();
  let answer: ReturnType<typeof answerOf>;
  {
    await using _first = await takePlace(golden);
    answer = answerOf(golden.askNow("completions", completion("in line"), client));
    await queueIsFull();
  }
  assertEquals((await answer).status, 200);
  await golden.assertTrace("queued", {
    about: "A completion that waits until another request has left",
    traceId: client.traceId,
    client,
  });
});

Deno.test("golden: cancelled_queued", async () => {
  const client = newClient();
  const abort = new AbortController();
  await using _first = await takePlace(golden);
  const { signal } = abort;
  const answer = golden.askNow("completions", completion("given up"), { ...client, signal });
  await queueIsFull();
  abort.abort();
  await answer.catch(() => {});
  await golden.assertTrace("cancelled_queued", {
    about: "The client leaves while its request waits for a place",
    traceId: client.traceId,
    client,
  });
});

Deno.test("golden: rejected", async () => {
  await using _first = await takePlace(golden);
  const waiting = golden.askNow("completions", completion("second"));
  await queueIsFull();
  const { traceId, status } = await answerOf(golden.askNow("completions", completion("third")));
  assertEquals(status, 503);
  await golden.assertTrace("rejected", {
    about: "The frontend knows that the queue is full, and asks nobody",
    traceId,
  });
  await _first[Symbol.asyncDispose]();
  await (await waiting).body?.cancel();
});

Deno.test("golden: rejected_by_worker", async () => {
  await using full = await GoldenStack.start({
    prefillCount: 0,
    env: { ...ONE_PLACE, DYN_QUEUE_LIMIT: "0" },
  });
  await using _first = await takePlace(full);
  const { traceId, status } = await answerOf(full.askNow("completions", completion("second")));
  assertEquals(status, 503);
  await full.assertTrace("rejected_by_worker", {
    about: "The worker has no place and no queue; there is no other worker to ask",
    traceId,
  });
});
