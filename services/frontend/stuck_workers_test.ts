import { assertEquals } from "@std/assert/mod.js";
import { epochMs } from "../../shared/clock/epoch_clock.ts";
import { ApiError } from "../../shared/openai/mod.ts";
import { eventually } from "../../tests/kit/waits.ts";
import { Dispatcher } from "./dispatcher.ts";
import { generate } from "./generation.ts";
import { FrontendKit, readEvents, textOf } from "./testing/frontend_kit.ts";

Deno.test("A stuck worker's request goes on with another that takes requests, and not before", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  const held = Promise.withResolvers<void>();
  const stuck = { role: "decode", instanceId: "d1" } as const;
  await kit.worker({
    ...stuck,
    onToken: (index, call) => index === 3 ? (held.resolve(), untilAborted(call.signal)) : undefined,
  });
  const events = kit.chat({ stream: true }).then(readEvents);
  await held.promise;
  const [record] = kit.bus.instances.list();
  kit.bus.instances.put({ ...record!, state: "stuck" });
  const alone = await kit.chat();
  assertEquals(alone.status, 503);
  const { error } = await alone.json();
  assertEquals([error.code, error.message], [
    "no_workers",
    "Cannot serve model tiny: no decode worker takes requests (stuck)",
  ]);
  await kit.worker({ role: "decode", instanceId: "d2", load: { waitingSequences: 4 } });
  assertEquals(kit.telemetry.of("route_request").map(({ isEnded }) => isEnded), [false]);
  await kit.worker({ role: "decode", instanceId: "d2" });
  assertEquals(textOf(await events), "Hello");
  const routes = kit.telemetry.of("route_request");
  assertEquals(routes.map(({ attributes, failure }) => [attributes.worker_id, failure]), [
    ["d1", "stuck"],
    ["d2", null],
  ]);
});

Deno.test("A stuck prefill worker holds nobody up who can do without it", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  const held = Promise.withResolvers<void>();
  await kit.pair({
    prefill: { onRequest: (_, call) => (held.resolve(), untilAborted(call.signal)) },
  });
  const answer = kit.chat();
  await held.promise;
  const record = kit.bus.instances.list("prefill")[0];
  kit.bus.instances.put({ ...record!, state: "stuck" });
  assertEquals((await (await answer).json()).choices[0].message.content, "Hello");
  assertEquals(kit.model.requests.map(({ phase }) => phase), ["prefill", "decode", "aggregate"]);
});

Deno.test("A request moves off a stuck decode worker also when its prefill worker, done with it, is stuck", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  const held = Promise.withResolvers<void>();
  await kit.pair({
    decode: {
      onToken: (index, call) =>
        index === 3 ? (held.resolve(), untilAborted(call.signal)) : undefined,
    },
  });
  const events = kit.chat({ stream: true }).then(readEvents);
  await held.promise;
  for (const record of kit.bus.instances.list()) {
    kit.bus.instances.put({ ...record, state: "stuck" });
  }
  await kit.worker({ role: "decode", instanceId: "d2" });
  assertEquals(textOf(await events), "Hello");
  const routes = kit.telemetry.of("route_request");
  assertEquals(routes.map(({ attributes, failure }) => [attributes.worker_id, failure]), [
    ["p1", null],
    ["d1", "stuck"],
    ["d2", null],
  ]);
});

Deno.test("A stuck worker's requests leave no faster than the others' queues have room, and none is refused", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  const onRequest = (_: unknown, call: { signal: AbortSignal }) => untilAborted(call.signal);
  await kit.worker({ role: "decode", instanceId: "d1", onRequest });
  const answers = [1, 2, 3].map(() => kit.chat());
  await eventually(() => kit.bus.openCalls("d1") === 3);
  const [record] = kit.bus.instances.list();
  kit.bus.instances.put({ ...record!, state: "stuck" });
  const released = Promise.withResolvers<void>();
  const taker = { role: "decode", instanceId: "d2", onRequest: () => released.promise } as const;
  const load = { waitingSequences: 3, queueLimit: 4 };
  await kit.worker({ ...taker, load });
  await eventually(() => kit.bus.openCalls("d2") === 1);
  const heard = kit.bus.instances.list().find(({ instanceId }) => instanceId === "d2")!;
  kit.bus.instances.put(heard);
  // By the next turn another would have left.
  await new Promise((turn) => setTimeout(turn));
  assertEquals(kit.bus.openCalls("d1"), 2);
  kit.bus.instances.put({ ...heard, sentAtMs: 2, load: { ...heard.load, waitingSequences: 1 } });
  await eventually(() => kit.bus.openCalls("d2") === 3);
  released.resolve();
  for (const answer of answers) assertEquals((await answer).status, 200);
});

Deno.test("generate() is no longer watched once its job is aborted, though its reader asks for nothing more", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  await kit.worker({ role: "decode", instanceId: "d1" });
  const { bus, telemetry } = kit;
  const directory = bus.instances;
  let watched = 0;
  const abort = new AbortController();
  const events = generate(
    {
      bus,
      directory,
      dispatcher: new Dispatcher(directory, { localPrefillMaxTokens: 0 }),
      migrationLimit: 2,
      workerReturn: { has: () => true, decoder: () => Promise.resolve(false) },
      stuckWorkers: { watch: () => (watched++, () => watched--) },
    },
    {
      requestId: "r",
      model: "tiny",
      cardDigest: directory.list()[0]!.model.cardDigest,
      promptTokens: [1],
      maxTokens: 5,
      sampling: { temperature: 0, topK: 0, topP: 1, seed: 1 },
      stopTokenIds: [],
      deadlineAtMs: epochMs() + 30_000,
      span: telemetry.rootSpan("http_request"),
      signal: abort.signal,
    },
    { onAttempt() {}, onFrame() {}, onMigration() {} },
  );
  assertEquals((await events.next()).value?.kind, "tokens");
  assertEquals(watched, 1);
  abort.abort(new ApiError("client_closed_request", "left"));
  assertEquals(watched, 0);
});

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}
