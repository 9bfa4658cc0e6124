import { assertEquals } from "@std/assert/mod.js";
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

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}
