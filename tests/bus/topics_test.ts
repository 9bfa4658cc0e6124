import { assertEquals } from "@std/assert/mod.js";
import { topicSubject } from "../../shared/messages/mod.ts";
import { within } from "../kit/waits.ts";
import { connectPlain, connectTestBus, NAMESPACE } from "./bus_kit.ts";
import { NatsServer } from "./nats_server_kit.ts";

/** Collects what is told; `first` resolves with the first of it. */
function ear() {
  const heard: unknown[] = [];
  const { promise: first, resolve } = Promise.withResolvers<unknown>();
  return {
    heard,
    first,
    listener(body: unknown) {
      heard.push(body);
      resolve(body);
    },
  };
}

Deno.test("tell() reaches everyone who listens, itself too, in the same namespace only", async () => {
  await using server = await NatsServer.start();
  await using teller = await connectTestBus(server);
  await using other = await connectTestBus(server);
  await using stranger = await connectTestBus(server, { namespace: "elsewhere" });
  const ears = [teller, other, stranger].map((bus) => {
    const each = ear();
    bus.listen("keep_request", each.listener);
    return each;
  });
  for (const bus of [teller, other, stranger]) await bus.ping();
  teller.tell("keep_request", { requestId: "r1" });
  assertEquals(await within("what was told", ears[0]!.first), { requestId: "r1" });
  assertEquals(await within("what was told", ears[1]!.first), { requestId: "r1" });
  await stranger.ping();
  assertEquals(ears[2]?.heard, []);
});

Deno.test("listen() passes over what is no message of the bus, and hears nothing once stopped", async () => {
  await using server = await NatsServer.start();
  await using bus = await connectTestBus(server);
  const plain = await connectPlain(server);
  const { heard, first, listener } = ear();
  const stop = bus.listen("keep_request", listener);
  await bus.ping();
  plain.publish(topicSubject(NAMESPACE, "keep_request"), Uint8Array.of(0xc1));
  await plain.flush();
  bus.tell("keep_request", 1);
  assertEquals(await within("what was told", first), 1);
  stop();
  bus.tell("keep_request", 2);
  await bus.ping();
  assertEquals(heard, [1]);
  await plain.close();
});

Deno.test("drain() runs what is to be done before it closes, on a connection that stands", async () => {
  await using server = await NatsServer.start();
  const bus = await connectTestBus(server);
  let wasConnected = false;
  await bus.drain(1000, async () => {
    await bus.ping();
    wasConnected = bus.isConnected;
  });
  assertEquals([wasConnected, bus.isConnected], [true, false]);
});
