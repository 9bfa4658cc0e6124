import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
} from "@std/assert/mod.js";
import type { BusStatus } from "../../shared/bus/mod.ts";
import { within } from "../kit/waits.ts";
import { connectTestBus } from "./bus_kit.ts";
import { NatsServer } from "./nats_server_kit.ts";

Deno.test("connectBus() waits for a server that starts late", async () => {
  await using server = await NatsServer.start();
  await server.kill();
  const connecting = connectTestBus(server);
  await server.restart();
  await using bus = await connecting;
  assert(bus.isConnected);
  assert(await bus.ping() >= 0);
});

Deno.test("connectBus() gives up in time, and says where and why", async () => {
  await using server = await NatsServer.start();
  await server.kill();
  const connecting = connectTestBus(server, { connectTimeoutMs: 2_000 });
  const refusal: Promise<Error> = assertRejects(() => connecting, Error);
  const error = await within("the refusal", refusal);
  assertStringIncludes(error.message, `127.0.0.1:${server.port} within 2000 ms`);
  assertStringIncludes(error.message, "refused");
});

Deno.test("connectBus() uses the credentials of the URL, and refuses wrong ones at once", async () => {
  await using server = await NatsServer.start({
    config: `authorization { user: me, password: "p@ss" }`,
  });
  const host = `127.0.0.1:${server.port}`;
  await using bus = await connectTestBus({ url: `nats://me:p%40ss@${host}` });
  assert(bus.isConnected);
  const error = await assertRejects(
    () => connectTestBus({ url: `nats://me:wrong@${host}` }, { connectTimeoutMs: 60_000 }),
    Error,
    "refused the user and password",
  );
  assertFalse(error.message.includes("wrong"));
});

Deno.test("a server that resets refused connections fails connectBus() and nothing else", async () => {
  await using server = await NatsServer.start({
    config: `authorization { user: me, password: "secret" }`,
  });
  // An error that nobody catches ends this test run; it came within twenty refusals.
  for (let attempt = 0; attempt < 20; attempt++) {
    const url = `nats://me:wrong${attempt}@127.0.0.1:${server.port}`;
    await assertRejects(() => connectTestBus({ url }, { connectTimeoutMs: 5_000 }));
  }
});

Deno.test("connectBus() says when the other end is no NATS server", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  async function answer(): Promise<void> {
    for await (const connection of listener) {
      await connection.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
      connection.close();
    }
  }
  const answering = answer();
  const url = `nats://127.0.0.1:${listener.addr.port}`;
  await assertRejects(
    () => connectTestBus({ url }, { connectTimeoutMs: 2_000 }),
    Error,
    "closed the connection",
  );
  listener.close();
  await answering;
});

Deno.test("connectBus() refuses a namespace that would change a subject", async () => {
  await assertRejects(
    () => connectTestBus({ url: "nats://127.0.0.1:1" }, { namespace: "a.>" }),
    RangeError,
    "namespace",
  );
});

Deno.test("onStatus tells of the loss of the connection and of its return", async () => {
  await using server = await NatsServer.start();
  const seen: BusStatus["kind"][] = [];
  const reconnected = Promise.withResolvers<void>();
  await using bus = await connectTestBus(server, {
    onStatus: (status) => {
      seen.push(status.kind);
      assertEquals(bus.isConnected, status.kind === "reconnected");
      if (status.kind === "reconnected") reconnected.resolve();
    },
  });
  await server.kill();
  await server.restart();
  await within("the reconnection", reconnected.promise);
  assertEquals(seen, ["disconnected", "reconnected"]);
});

Deno.test("ping() rejects when the server hangs", async () => {
  await using server = await NatsServer.start();
  await using bus = await connectTestBus(server);
  server.freeze();
  // The signal takes a moment to reach every thread of the server.
  await assertRejects(
    async () => {
      while (true) await bus.ping();
    },
    Error,
    "no answer",
  );
  server.thaw();
});

Deno.test({
  name: "a bus that is closed leaves no timer and no socket behind",
  sanitizeOps: true,
  sanitizeResources: true,
  async fn() {
    await using server = await NatsServer.start();
    const bus = await connectTestBus(server);
    bus.directory();
    bus.serve("decode", "generate", "w", async () => {});
    await bus.ping();
    await bus[Symbol.asyncDispose]();
    assertFalse(bus.isConnected);
    await assertRejects(() => bus.ping());
  },
});

Deno.test("connectBus() over tls:// refuses a server that offers no TLS", async () => {
  await using server = await NatsServer.start();
  await assertRejects(
    () => connectTestBus({ url: `tls://127.0.0.1:${server.port}` }, { connectTimeoutMs: 2_000 }),
    Error,
    "does not support 'tls'",
  );
});
