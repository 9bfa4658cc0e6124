import { assertEquals } from "@std/assert/mod.js";
import { HandlerError } from "../../shared/bus/bus.ts";
import { eventually } from "../../tests/kit/waits.ts";
import { FrontendKit, readEvents, textOf } from "./testing/frontend_kit.ts";

Deno.test("The only decode worker's short absence costs a request nothing", async () => {
  using kit = await FrontendKit.start({ answer: "Hello", options: { workerReturnMs: 30_000 } });
  let hasBlinked = false;
  const worker = { role: "decode", instanceId: "d1" } as const;
  await kit.worker({
    ...worker,
    onToken: (index) => {
      if (index !== 3 || hasBlinked) return;
      hasBlinked = true;
      kit.bus.kill("d1");
    },
  });
  const dropped = Promise.withResolvers<void>();
  kit.bus.instances.onChange((instances) => instances.length === 0 && dropped.resolve());
  const events = kit.chat({ stream: true }).then(readEvents);
  await dropped.promise;
  const waiting = kit.chat();
  await kit.worker(worker);
  assertEquals(textOf(await events), "Hello");
  assertEquals((await (await waiting).json()).choices[0].message.content, "Hello");
  assertEquals(kit.telemetry.of("http_request")[0]?.attributes.attempts, 2);
  const [wait] = kit.telemetry.of("worker_wait");
  assertEquals([wait?.isEnded, wait?.attributes["router.worker_returned"]], [true, true]);
});

Deno.test("A worker that is dropped again as soon as it is back is waited for on", async () => {
  using kit = await FrontendKit.start({ answer: "Hello", options: { workerReturnMs: 30_000 } });
  const worker = { role: "decode", instanceId: "d1" } as const;
  await kit.worker(worker);
  const { instances } = kit.bus;
  const [record] = instances.list();
  instances.drop("d1");
  const waiting = kit.chat();
  await eventually(() => kit.telemetry.of("worker_wait").length === 1);
  instances.put(record!);
  // As the failure of another request does.
  instances.drop("d1");
  // Whoever was told that it is back has looked by then.
  await new Promise((turn) => setTimeout(turn));
  instances.put(record!);
  assertEquals((await (await waiting).json()).choices?.[0].message.content, "Hello");
});

Deno.test("A worker that stays away is waited for no longer than the time for that", async () => {
  using kit = await FrontendKit.start({ options: { workerReturnMs: 20 } });
  await kit.worker({
    role: "decode",
    instanceId: "d1",
    onToken: () => kit.bus.kill("d1"),
  });
  const failed = await kit.chat();
  assertEquals([failed.status, (await failed.json()).error.code], [503, "worker_failed"]);
  const refused = await kit.chat();
  assertEquals([refused.status, (await refused.json()).error.code], [503, "no_workers"]);
  const waits = kit.telemetry.of("worker_wait");
  assertEquals(waits.map(({ attributes }) => attributes["router.worker_returned"]), [false]);
});

Deno.test("A worker that leaves is waited for until another takes its place", async () => {
  using kit = await FrontendKit.start({ answer: "Hello", options: { workerReturnMs: 30_000 } });
  const worker = { role: "decode", instanceId: "d1" } as const;
  await kit.worker(worker);
  await kit.worker({ ...worker, state: "draining" });
  const whileItLeaves = kit.chat();
  await eventually(() => kit.telemetry.of("worker_wait").length === 1);
  kit.bus.instances.remove("d1");
  const onceItHasLeft = kit.chat();
  await eventually(() => kit.telemetry.of("worker_wait").length === 2);
  await kit.worker({ ...worker, instanceId: "d2" });
  for (const answer of [await whileItLeaves, await onceItHasLeft]) {
    assertEquals((await answer.json()).choices?.[0].message.content, "Hello");
  }
});

Deno.test("A worker that leaves is waited for on while it does, and for the time from then on", async () => {
  using kit = await FrontendKit.start({ options: { workerReturnMs: 20 } });
  const worker = { role: "decode", instanceId: "d1" } as const;
  await kit.worker(worker);
  await kit.worker({ ...worker, state: "draining" });
  const { instances } = kit.bus;
  const until = instances.until.bind(instances);
  let waits = 0;
  instances.until = (...args) => {
    waits++;
    return until(...args);
  };
  const waiting = kit.chat();
  // The time has passed twice.
  await eventually(() => waits >= 3);
  assertEquals(kit.telemetry.of("worker_wait")[0]?.isEnded, false);
  kit.bus.instances.remove("d1");
  const refused = await waiting;
  assertEquals([refused.status, (await refused.json()).error.code], [503, "no_workers"]);
  const [wait] = kit.telemetry.of("worker_wait");
  assertEquals([wait?.isEnded, wait?.attributes["router.worker_returned"]], [true, false]);
});

Deno.test("A request whose worker stopped before its end goes on with the same one started again", async () => {
  using kit = await FrontendKit.start({ answer: "Hello", options: { workerReturnMs: 30_000 } });
  const worker = { role: "decode", instanceId: "d1" } as const;
  await kit.worker({
    ...worker,
    onToken: (index) => {
      if (index === 3) throw new HandlerError("draining", "The worker stopped");
    },
  });
  const events = kit.chat({ stream: true }).then(readEvents);
  await kit.worker({ ...worker, state: "draining" });
  await eventually(() => kit.telemetry.of("worker_wait").length === 1);
  kit.bus.instances.remove("d1");
  await kit.worker(worker);
  assertEquals(textOf(await events), "Hello");
});

Deno.test("A worker whose engine failed has the request again once it was started again", async () => {
  using kit = await FrontendKit.start({ answer: "Hello", options: { workerReturnMs: 30_000 } });
  const worker = { role: "decode", instanceId: "d1" } as const;
  await kit.worker({
    ...worker,
    onToken: (index) => {
      if (index === 3) throw new HandlerError("engine_failed", "device lost");
    },
  });
  const events = kit.chat({ stream: true }).then(readEvents);
  await kit.bus.instances.until((instances) => instances.length === 0);
  await kit.worker({ ...worker, state: "failed" });
  kit.bus.instances.remove("d1");
  await kit.worker(worker);
  assertEquals(textOf(await events), "Hello");
});

Deno.test("A worker that comes back to leave is waited for on, until another one is ready", async () => {
  using kit = await FrontendKit.start({ answer: "Hello", options: { workerReturnMs: 30_000 } });
  const worker = { role: "decode", instanceId: "d1" } as const;
  await kit.worker(worker);
  kit.bus.instances.remove("d1");
  const waiting = kit.chat();
  await eventually(() => kit.telemetry.of("worker_wait").length === 1);
  await kit.worker({ ...worker, state: "draining" });
  // By the next turn the request would have gone on.
  await new Promise((turn) => setTimeout(turn));
  assertEquals(kit.telemetry.of("worker_wait")[0]?.isEnded, false);
  await kit.worker({ ...worker, instanceId: "d2" });
  const answer = await waiting;
  assertEquals((await answer.json()).choices?.[0].message.content, "Hello");
  const [route] = kit.telemetry.of("route_request");
  assertEquals(route?.attributes.worker_id, "d2");
});

Deno.test("A client that leaves while its worker is away is let go at once", async () => {
  using kit = await FrontendKit.start({ options: { workerReturnMs: 30_000 } });
  await kit.worker({ role: "decode", instanceId: "d1" });
  kit.bus.instances.remove("d1");
  const client = new AbortController();
  const answer = kit.chat({}, { signal: client.signal });
  client.abort();
  assertEquals((await answer).status, 499);
});
