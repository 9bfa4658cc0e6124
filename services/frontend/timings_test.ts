/** What `x-baton-timings: 1` adds to answers. */

import { assert, assertEquals } from "@std/assert/mod.js";
import {
  chatChunkSchema,
  chatResponseSchema,
  completionResponseSchema,
  errorBodySchema,
  type Timings,
} from "../../shared/openai/mod.ts";
import { FrontendKit, readEvents } from "./testing/frontend_kit.ts";

const WANTED = { headers: { "x-baton-timings": "1" } };

/** What holds of the timings of every answer that ended by itself. */
function assertWhole(timings: Timings | undefined, tokens: number): asserts timings {
  if (timings === undefined) throw new Error("There are no timings");
  const { token_offsets_ms, token_steps, token_workers, workers } = timings;
  assertEquals(token_offsets_ms.length, tokens);
  assertEquals(token_steps.length, tokens);
  assertEquals(token_workers.length, tokens);
  assert(token_workers.every((place) => workers[place] !== undefined));
  assertEquals(token_offsets_ms, token_offsets_ms.toSorted((a, b) => a - b));
  assert((timings.ttft_ms ?? 0) >= (token_offsets_ms[0] ?? Infinity));
  assert(timings.total_ms >= (timings.ttft_ms ?? Infinity));
}

Deno.test("Timings of a whole chat tell stages, workers and every token", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  await kit.pair();
  const { timings } = chatResponseSchema.parse(await (await kit.chat({}, WANTED)).json());
  assertWhole(timings, 6);
  const [root] = kit.telemetry.of("http_request");
  assertEquals([timings.trace_id, timings.finish_reason], [root?.traceId, "stop"]);
  assertEquals(timings.workers, [
    { instance_id: "p1", phase: "prefill", attempt: 1 },
    { instance_id: "d1", phase: "decode", attempt: 1 },
  ]);
  assertEquals([timings.attempts, timings.token_workers], [1, [0, 1, 1, 1, 1, 1]]);
  assertEquals(timings.token_steps, [0, 1, 2, 3, 4, 5]);
  const { queue_ms, prefill_ms, kv_transfer_ms, decode_ms } = timings;
  assertEquals([queue_ms, prefill_ms, kv_transfer_ms, decode_ms], [2, 8, 3, 40]);
  assert(timings.itl_ms !== null && timings.itl_ms.max >= timings.itl_ms.p50);
  assert(timings.preprocess_ms !== null && timings.route_ms !== null);
});

Deno.test("Timings of a stream are in its last chunk, that of the usage or that of the end", async () => {
  using kit = await FrontendKit.start({ answer: "Hey" });
  await kit.worker({ role: "decode", instanceId: "d1" });
  for (const stream_options of [null, { include_usage: true }]) {
    const events = await readEvents(await kit.chat({ stream: true, stream_options }, WANTED));
    assertEquals(events.pop(), "[DONE]");
    const chunks = events.map((event) => chatChunkSchema.parse(event));
    const { timings, usage, choices } = chunks.at(-1)!;
    assertWhole(timings, 4);
    assertEquals([timings.kv_transfer_ms, timings.workers[0]?.phase], [null, "aggregate"]);
    assertEquals(
      [usage?.completion_tokens, choices.length],
      stream_options ? [4, 0] : [
        undefined,
        1,
      ],
    );
    assert(chunks.slice(0, -1).every((chunk) => !("timings" in chunk)));
  }
});

Deno.test("Each chunk of a stream tells of the tokens that its text came with", async () => {
  // Each byte is a token: the emoji's first three have no text of their own.
  using kit = await FrontendKit.start({ answer: "a🌊b" });
  await kit.pair();
  const events = await readEvents(await kit.chat({ stream: true }, WANTED));
  const chunks = events.slice(0, -1).map((event) => chatChunkSchema.parse(event));
  const { timings } = chunks.at(-1)!;
  assertWhole(timings, 7);
  const told = chunks.slice(0, -1).map(({ choices: [choice], token_timings }) => ({
    text: choice?.delta.content,
    steps: token_timings?.map(({ step }) => step),
  }));
  assertEquals(told, [
    { text: "a", steps: [0] },
    { text: "🌊", steps: [1, 2, 3, 4] },
    { text: "b", steps: [5] },
  ]);
  const tokens = chunks.flatMap(({ token_timings = [] }) => token_timings);
  assertEquals(
    tokens.map(({ offset_ms }) => offset_ms),
    timings.token_offsets_ms.slice(0, tokens.length),
  );
  assertEquals(tokens.map(({ instance_id }) => instance_id), ["p1", "d1", "d1", "d1", "d1", "d1"]);
});

Deno.test("Timings come with completions, whole and streamed", async () => {
  using kit = await FrontendKit.start({ answer: "abc" });
  await kit.pair({ decode: { frameTokens: 2 } });
  const whole = completionResponseSchema.parse(
    await (await kit.complete({ max_tokens: 3 }, WANTED)).json(),
  );
  assertWhole(whole.timings, 3);
  assertEquals(whole.timings.finish_reason, "length");
  assertEquals(whole.timings.token_offsets_ms[1], whole.timings.token_offsets_ms[2]);
  const events = await readEvents(
    await kit.complete({ stream: true, max_tokens: 3 }, WANTED),
  );
  assertWhole(completionResponseSchema.parse(events.at(-2)).timings, 3);
  const { token_timings } = completionResponseSchema.parse(events[0]);
  assertEquals(token_timings?.map(({ instance_id }) => instance_id), ["p1"]);
});

Deno.test("Without the header, and with another value, no answer has timings", async () => {
  using kit = await FrontendKit.start();
  await kit.pair();
  for (const init of [{}, { headers: { "x-baton-timings": "0" } }]) {
    const texts = await Promise.all([
      kit.chat({}, init),
      kit.chat({ stream: true, stream_options: { include_usage: true } }, init),
      kit.chat({ n: 2 }, init),
    ].map(async (answer) => await (await answer).text()));
    assert(texts.every((text) => !text.includes("timings")));
  }
});

Deno.test("Timings of a text that a stop string ended count its tokens and tell the prompt's stages", async () => {
  using kit = await FrontendKit.start({ answer: "Hello, world" });
  await kit.pair({ prefill: { cachedTokens: 16 } });
  const { timings, usage } = chatResponseSchema.parse(
    await (await kit.chat({ stop: "o," }, WANTED)).json(),
  );
  assertWhole(timings, usage.completion_tokens);
  assertEquals(timings.finish_reason, "stop");
  assertEquals(usage.prompt_tokens_details.cached_tokens, 16);
  const { queue_ms, prefill_ms, decode_ms } = timings;
  assert(queue_ms !== null && prefill_ms !== null && decode_ms !== null);
});

Deno.test("Timings of a migrated request name the worker of each token", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  await kit.pair({ decode: { onToken: (index) => index === 3 ? kit.bus.kill("d1") : undefined } });
  await kit.worker({ role: "decode", instanceId: "d2", load: { runningSequences: 3 } });
  const events = await readEvents(await kit.chat({ stream: true }, WANTED));
  const { timings } = chatChunkSchema.parse(events.at(-2));
  assertWhole(timings, 6);
  assertEquals(timings.attempts, 2);
  assertEquals(timings.workers.map(({ instance_id, attempt }) => [instance_id, attempt]), [
    ["p1", 1],
    ["d1", 1],
    ["d2", 2],
  ]);
  assertEquals(timings.token_workers, [0, 1, 1, 2, 2, 2]);
});

Deno.test("Timings come with errors too: refused, failed and broken off", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  await kit.worker({
    role: "decode",
    instanceId: "d1",
    onToken: (index) => index === 3 ? kit.bus.kill("d1") : undefined,
  });
  const refused = errorBodySchema.parse(await (await kit.chat({ n: 2 }, WANTED)).json());
  assertEquals([refused.timings?.attempts, refused.timings?.finish_reason], [0, null]);
  const events = await readEvents(await kit.chat({ stream: true }, WANTED));
  const { error, timings } = errorBodySchema.parse(events.at(-1));
  assertEquals(error.code, "worker_failed");
  assertWhole(timings, 3);
  assertEquals([timings.finish_reason, timings.attempts], [null, 1]);
});
