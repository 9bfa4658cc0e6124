import { assertEquals, assertMatch } from "@std/assert/mod.js";
import { HandlerError } from "../../shared/bus/bus.ts";
import { eventually } from "../../tests/kit/waits.ts";
import { byteTokens } from "./testing/fake_worker.ts";
import { FrontendKit, readEvents, textOf } from "./testing/frontend_kit.ts";

const PROMPT = byteTokens("[user]Hi[assistant]");

Deno.test("A decode worker that dies mid-stream costs no text: another one replays", async () => {
  using kit = await FrontendKit.start({ answer: "Hello, world" });
  await kit.pair({
    decode: { onToken: (index) => index === 5 ? kit.bus.kill("d1") : undefined },
  });
  await kit.worker({ role: "decode", instanceId: "d2", load: { runningSequences: 3 } });
  const events = await readEvents(
    await kit.chat({ stream: true, seed: 4, stream_options: { include_usage: true } }),
  );
  assertEquals(textOf(events), "Hello, world");
  assertEquals(events.at(-2).usage.completion_tokens, 13);
  const replay = kit.model.requests.at(-1);
  assertEquals([replay?.phase, replay?.attempt, replay?.transferId], ["aggregate", 2, undefined]);
  assertEquals(replay?.promptTokens, [...PROMPT, ...byteTokens("Hello")]);
  assertEquals(replay?.maxTokens, 128 - PROMPT.length - 5);
  assertEquals(replay?.sampling.seed, 4);
  assertEquals(kit.bus.instances.dropped, ["d1"]);
  const [line] = kit.telemetry.lines.filter(({ message }) => message === "request migrated");
  assertEquals([line?.fields.worker_id, line?.fields["error.type"]], ["d1", "disconnected"]);
  assertEquals(line?.fields["migration.tokens_completed"], 5);
});

Deno.test("Each attempt has its span; the one that failed says why and how far it got", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  await kit.pair({
    decode: { onToken: (index) => index === 2 ? kit.bus.kill("d1") : undefined },
  });
  await kit.worker({ role: "decode", instanceId: "d2", load: { runningSequences: 3 } });
  await (await kit.chat()).text();
  const spans = kit.telemetry.of("route_request").map(({ attributes, failure }) => ({
    worker: attributes.worker_id,
    attempt: attributes.attempt,
    outcome: attributes["request.outcome"],
    stage: attributes["worker.stage"],
    completed: attributes["migration.tokens_completed"],
    failure,
  }));
  assertEquals(spans, [
    { worker: "p1", attempt: 1, outcome: "success", stage: "end", completed: 0, failure: null },
    {
      worker: "d1",
      attempt: 1,
      outcome: "error",
      stage: "tokens",
      completed: 0,
      failure: "disconnected",
    },
    { worker: "d2", attempt: 2, outcome: "success", stage: "end", completed: 2, failure: null },
  ]);
  const [root] = kit.telemetry.of("http_request");
  assertEquals(root?.events.filter(({ name }) => name === "migrated"), [{
    name: "migrated",
    attributes: {
      attempt: 2,
      "migration.tokens_completed": 2,
      "error.type": "disconnected",
    },
  }]);
  assertEquals([root?.attributes.attempts, root?.attributes["request.outcome"]], [2, "success"]);
  assertEquals(kit.telemetry.spans.filter((span) => !span.isEnded), []);
});

Deno.test("A prefill worker that dies before its first token is replaced by the decode worker", async () => {
  using kit = await FrontendKit.start();
  await kit.pair({ prefill: { onToken: () => kit.bus.kill("p1") } });
  const body = await (await kit.chat()).json();
  assertEquals(body.choices[0].message.content, "Hello, world");
  assertEquals(kit.model.requests.map(({ phase, attempt }) => [phase, attempt]), [
    ["prefill", 1],
    ["decode", 1],
    ["aggregate", 2],
  ]);
  const decode = kit.telemetry.of("route_request")[1];
  assertEquals(decode?.attributes["cancellation.signal"], "superseded");
});

Deno.test("A prefill worker that dies after its first token, before the hand-over, is replaced", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  await kit.pair({
    prefill: {
      onRequest: (_, call) => {
        call.send({ kind: "tokens", index: 0, ids: [...byteTokens("H")], step: 0 });
        kit.bus.kill("p1");
      },
    },
  });
  const events = await readEvents(await kit.chat({ stream: true }));
  assertEquals(textOf(events), "Hello");
  assertEquals(kit.model.requests.map(({ phase, attempt }) => [phase, attempt]), [
    ["prefill", 1],
    ["decode", 1],
    ["aggregate", 2],
  ]);
});

Deno.test("A decode worker counts what it was sent since its heartbeat, also where others prefill", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  const held = Promise.withResolvers<void>();
  const onRequest = () => held.promise;
  await kit.pair({ decode: { onRequest } });
  // Half a sequence's worth of work: less than one request that is not reported yet.
  const load = { pendingPromptTokens: 128 };
  await kit.worker({ role: "decode", instanceId: "d2", load, onRequest });
  const answers = [kit.chat(), kit.chat()];
  await eventually(() => kit.model.requests.length === 4);
  held.resolve();
  for (const answer of answers) assertEquals((await answer).status, 200);
  const sent = kit.telemetry.of("route_request").filter(({ attributes }) =>
    attributes.phase === "decode"
  );
  assertEquals(sent.map(({ attributes }) => attributes.worker_id), ["d1", "d2"]);
});

Deno.test("A prefill worker that is gone is not waited for", async () => {
  using kit = await FrontendKit.start();
  await kit.pair();
  kit.bus.kill("p1");
  const body = await (await kit.chat()).json();
  assertEquals(body.choices[0].message.content, "Hello, world");
  assertEquals(kit.bus.instances.dropped, ["p1"]);
});

Deno.test("A transfer that fails after the first token is replayed where it failed", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  await kit.pair({
    decode: {
      onRequest: (request) => {
        if (request.phase === "decode") throw new HandlerError("transfer_failed", "checksum");
      },
    },
  });
  const events = await readEvents(await kit.chat({ stream: true }));
  assertEquals(textOf(events), "Hello");
  const routes = kit.telemetry.of("route_request").map(({ attributes }) => attributes.worker_id);
  assertEquals(routes, ["p1", "d1", "d1"]);
});

Deno.test("A prefill worker that dies is blamed even when the decode worker tells of it first", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  await kit.pair({
    prefill: { onRequest: (_, call) => untilAborted(call.signal) },
    decode: {
      onRequest: (request) => {
        if (request.phase !== "decode") return;
        setTimeout(() => kit.bus.kill("p1"));
        throw new HandlerError("transfer_failed", "The sender has gone");
      },
    },
  });
  const body = await (await kit.chat()).json();
  assertEquals(body.choices[0].message.content, "Hello");
  assertEquals(
    kit.telemetry.of("route_request").map(({ attributes, failure }) => [
      attributes.worker_id,
      failure,
    ]),
    [["p1", "disconnected"], ["d1", "transfer_failed"], ["d1", null]],
  );
  assertEquals(kit.bus.instances.dropped, ["p1"]);
});

Deno.test("A transfer that fails is replayed even when the prefill worker says nothing", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  await kit.pair({
    prefill: { onRequest: (_, call) => untilAborted(call.signal) },
    decode: {
      onRequest: (request) => {
        if (request.phase === "decode") throw new HandlerError("transfer_failed", "checksum");
      },
    },
  });
  const body = await (await kit.chat()).json();
  assertEquals(body.choices[0].message.content, "Hello");
  const [prefill, decode] = kit.telemetry.of("route_request");
  assertEquals(prefill?.attributes["cancellation.signal"], "superseded");
  assertEquals(decode?.failure, "transfer_failed");
  assertEquals(kit.bus.instances.dropped, []);
});

Deno.test("A prefill failure after decoding has begun changes nothing", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  const decoding = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<void>();
  await kit.worker({
    role: "prefill",
    instanceId: "p1",
    onRequest: async (request, call) => {
      call.send({ kind: "tokens", index: 0, ids: [...byteTokens("H")], step: 0 });
      kit.model.transfer(request).resolve(0);
      await decoding.promise;
      failed.resolve();
      throw new HandlerError("internal", "late");
    },
  });
  await kit.worker({
    role: "decode",
    instanceId: "d1",
    onToken: (index) => index === 2 ? failed.promise : undefined,
  });
  const response = await kit.chat({ stream: true });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes('"content":"e"')) {
    const { done, value } = await reader.read();
    assertEquals(done, false, text);
    text += value;
  }
  decoding.resolve();
  for (let next = await reader.read(); !next.done; next = await reader.read()) text += next.value;
  assertMatch(text, /\[DONE\]/);
  assertEquals(kit.model.requests.map(({ attempt }) => attempt), [1, 1]);
  assertEquals(kit.telemetry.of("route_request").map(({ failure }) => failure), ["internal", null]);
});

Deno.test("An answer that is whole before the prefill worker's end is there cancels nobody", async () => {
  using kit = await FrontendKit.start({ answer: "Hi" });
  const answered = Promise.withResolvers<void>();
  const wasCancelled = Promise.withResolvers<boolean>();
  await kit.pair({
    prefill: {
      onRequest: async (request, call) => {
        call.send({ kind: "tokens", index: 0, ids: [...byteTokens("H")], step: 0 });
        kit.model.transfer(request).resolve(0);
        await answered.promise;
        wasCancelled.resolve(call.signal.aborted);
      },
    },
  });
  assertEquals(textOf(await readEvents(await kit.chat({ stream: true }))), "Hi");
  const [route] = kit.telemetry.of("route_request");
  assertEquals(route?.attributes.phase, "prefill");
  assertEquals([route?.isEnded, route?.attributes["request.outcome"]], [true, "success"]);
  assertEquals(route?.events.map(({ name }) => name), ["first_token"]);
  answered.resolve();
  assertEquals(await wasCancelled.promise, false);
});

Deno.test("An overloaded worker is passed over; when all are, the client may come again", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  const refuse = () => {
    throw new HandlerError("overloaded", "queue full");
  };
  await kit.worker({ role: "decode", instanceId: "d1", onRequest: refuse });
  await kit.worker({ role: "decode", instanceId: "d2", load: { runningSequences: 1 } });
  const passed = await kit.chat();
  assertEquals((await passed.json()).choices[0].message.content, "Hello");

  await kit.worker({ role: "decode", instanceId: "d2", onRequest: refuse });
  const refused = await kit.chat();
  assertEquals([refused.status, refused.headers.get("retry-after")], [503, "1"]);
  assertEquals((await refused.json()).error.code, "overloaded");
  assertEquals(kit.telemetry.endRecords().at(-1)?.message, "request rejected");
});

Deno.test("A failure beyond the limit is an HTTP status before the first token", async () => {
  using kit = await FrontendKit.start({ options: { migrationLimit: 1 } });
  const fail = () => {
    throw new HandlerError("engine_failed", "device lost");
  };
  for (const instanceId of ["d1", "d2", "d3"]) {
    await kit.worker({ role: "decode", instanceId, onRequest: fail });
  }
  const response = await kit.chat({ stream: true });
  assertEquals(response.status, 503);
  const { error } = await response.json();
  assertEquals(error.code, "worker_failed");
  assertEquals(error.message.includes("device lost"), false);
  assertEquals(kit.model.requests.length, 2);
  const [root] = kit.telemetry.of("http_request");
  assertEquals([root?.failure, root?.attributes["request.outcome"]], ["worker_failed", "error"]);
});

Deno.test("A failure beyond the limit is an error event mid-stream, then the stream closes", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  await kit.worker({
    role: "decode",
    instanceId: "d1",
    onToken: (index) => index === 3 ? kit.bus.kill("d1") : undefined,
  });
  const response = await kit.chat({ stream: true });
  assertEquals(response.status, 200);
  const events = await readEvents(response);
  assertEquals(textOf(events), "Hel");
  assertEquals(events.at(-1).error.code, "worker_failed");
  const [record, ...more] = kit.telemetry.endRecords();
  assertEquals(more, []);
  assertEquals([record?.level, record?.fields.status, record?.fields.output_tokens], [
    "error",
    "error",
    3,
  ]);
});

Deno.test("Errors that are the request's own are not tried elsewhere", async () => {
  using kit = await FrontendKit.start();
  for (const instanceId of ["d1", "d2"]) {
    await kit.worker({
      role: "decode",
      instanceId,
      onRequest: () => {
        throw new HandlerError("too_long", "does not fit");
      },
    });
  }
  const response = await kit.chat();
  assertEquals(response.status, 400);
  assertEquals((await response.json()).error.code, "context_length_exceeded");
  assertEquals(kit.model.requests.length, 1);
});

Deno.test("A lost end frame after the last token needs no replay", async () => {
  using kit = await FrontendKit.start({ answer: "Hi" });
  await kit.worker({
    role: "decode",
    instanceId: "d1",
    onRequest: (_, call) => {
      call.send({ kind: "tokens", index: 0, ids: [...kit.model.answer, 2], step: 0 });
      kit.bus.kill("d1");
    },
  });
  const body = await (await kit.chat()).json();
  assertEquals([body.choices[0].message.content, body.choices[0].finish_reason], ["Hi", "stop"]);
});

Deno.test("A character that a failure splits is whole after the replay", async () => {
  using kit = await FrontendKit.start({ answer: "a日b" });
  await kit.worker({
    role: "decode",
    instanceId: "d1",
    onToken: (index) => index === 2 ? kit.bus.kill("d1") : undefined,
  });
  await kit.worker({ role: "decode", instanceId: "d2", load: { runningSequences: 3 } });
  assertEquals(textOf(await readEvents(await kit.chat({ stream: true }))), "a日b");
});

Deno.test("A request beyond its time gets 504, or an error event once text was sent", async () => {
  // The model has to be known, or the first token to come, before the time is over.
  for (const [heldAt, requestTimeoutMs] of [[0, 1_000], [1, 2_000]]) {
    using kit = await FrontendKit.start({ answer: "Hey", options: { requestTimeoutMs } });
    const held = Promise.withResolvers<void>();
    await kit.worker({
      role: "decode",
      instanceId: "d1",
      onToken: (index) => index === heldAt ? held.promise : undefined,
    });
    const response = await kit.chat({ stream: true });
    assertEquals(response.status, heldAt === 0 ? 504 : 200);
    const last = heldAt === 0 ? await response.json() : (await readEvents(response)).at(-1);
    assertEquals(last.error.code, "deadline_exceeded");
    const { body } = await kit.metrics.render("");
    assertMatch(body, /requests_total\{model="tiny".*error_type="response_timeout"\} 1/);
    held.resolve();
  }
});

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}

Deno.test("Frames of a kind that this version does not know are passed over", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  await kit.worker({
    role: "decode",
    instanceId: "d1",
    onToken: (_, call) => call.send({ kind: "logprobs", values: [0.5] }),
  });
  const body = await (await kit.chat()).json();
  assertEquals(body.choices[0].message.content, "Hello");
});

Deno.test("A worker that breaks the protocol fails its attempt and no more", async () => {
  /** The answer and its end. */
  const MAX_TOKENS = 6;
  const END = {
    kind: "end",
    finishReason: "stop",
    usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 1 },
    timings: { receivedAtMs: 1, endAtMs: 2 },
  };
  for (
    const frames of [
      [{ kind: "tokens", index: 5, ids: [70], step: 0 }, END],
      [END],
      [{ kind: "tokens", index: 0, ids: new Array(MAX_TOKENS + 1).fill(70), step: 0 }],
      [{ kind: "tokens", index: 0, ids: ["a"], step: 0 }],
      [{ kind: "tokens", index: 1e9, ids: [70], step: 0 }],
      [null],
    ]
  ) {
    using kit = await FrontendKit.start({ answer: "Hello" });
    await kit.worker({ role: "decode", instanceId: "d1" });
    kit.bus.serve("decode", "generate", "d1", async (call) => {
      for (const frame of frames) call.send(frame);
      if (frames.at(-1) !== END) await untilAborted(call.signal);
    });
    await kit.worker({ role: "decode", instanceId: "d2", load: { runningSequences: 3 } });
    const body = await (await kit.chat({ max_tokens: MAX_TOKENS })).json();
    assertEquals(body.choices[0].message.content, "Hello");
    assertEquals(kit.telemetry.of("route_request")[0]?.attributes.worker_id, "d1");
  }
});

Deno.test("A prompt that no bus message can hold is refused as such, and not tried elsewhere", async () => {
  using kit = await FrontendKit.start();
  await kit.pair();
  kit.bus.failCalls = "too_large";
  const response = await kit.chat();
  assertEquals([response.status, (await response.json()).error.code], [413, "request_too_large"]);
  const attempts = kit.telemetry.of("route_request").map(({ attributes }) => attributes.attempt);
  assertEquals(new Set(attempts), new Set([1]));
});

Deno.test("A worker that ends and leaves its stream open holds nobody up, and is told to stop", async () => {
  using kit = await FrontendKit.start({ answer: "Hi" });
  await kit.worker({ role: "decode", instanceId: "d1" });
  const cancelled = Promise.withResolvers<void>();
  const usage = { promptTokens: 1, cachedTokens: 0, completionTokens: 2 };
  kit.bus.serve("decode", "generate", "d1", async (call) => {
    call.send({ kind: "tokens", index: 0, ids: [...byteTokens("Hi"), 2], step: 0 });
    call.send({
      kind: "end",
      finishReason: "stop",
      usage,
      timings: { receivedAtMs: 1, endAtMs: 2 },
    });
    await untilAborted(call.signal);
    cancelled.resolve();
  });
  const body = await (await kit.chat()).json();
  assertEquals(body.choices[0].message.content, "Hi");
  const [route] = kit.telemetry.of("route_request");
  assertEquals([route?.isEnded, route?.attributes["request.outcome"]], [true, "success"]);
  await cancelled.promise;
});
