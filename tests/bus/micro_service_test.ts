import { assertEquals, assertRejects } from "@std/assert/mod.js";
import { Svcm } from "@nats-io/services";
import { connectPlain, connectTestBus, generateSubject } from "./bus_kit.ts";
import { NatsServer } from "./nats_server_kit.ts";

/** One answer is all that comes: by default a slow one would be no answer. */
const ONE_ANSWER = { strategy: "count", maxMessages: 1, maxWait: 30_000 } as const;

Deno.test("a served endpoint is seen by the services framework until it is unserved", async () => {
  await using server = await NatsServer.start();
  await using worker = await connectTestBus(server);
  await using connection = await connectPlain(server);
  const unserve = worker.serve("decode", "generate", "w", async () => {});
  await worker.ping();
  const client = new Svcm(connection).client(ONE_ANSWER);
  const [identity] = await Array.fromAsync(await client.ping("baton-decode-generate"));
  assertEquals(identity?.metadata, {
    namespace: "test",
    instance: "w",
    subject: generateSubject("w"),
  });
  unserve();
  await worker.ping();
  await assertRejects(
    async () => await Array.fromAsync(await client.ping("baton-decode-generate")),
    Error,
    "no responders",
  );
});

Deno.test("a served endpoint counts its calls in its statistics and at its status subject", async () => {
  await using server = await NatsServer.start();
  await using caller = await connectTestBus(server);
  await using worker = await connectTestBus(server);
  await using connection = await connectPlain(server);
  const release = Promise.withResolvers<void>();
  worker.serve("decode", "generate", "w", async (call) => {
    call.send("started");
    await release.promise;
  });
  await worker.ping();
  const call = caller.call(generateSubject("w"), null)[Symbol.asyncIterator]();
  await call.next();
  const expected = { started: 1, running: 1 };
  const subject = `${generateSubject("w")}.status`;
  const status = await connection.request(subject, undefined, { timeout: 30_000 });
  assertEquals(status.json(), expected);
  const client = new Svcm(connection).client(ONE_ANSWER);
  const [stats] = await Array.fromAsync(await client.stats("baton-decode-generate"));
  assertEquals(stats?.endpoints?.map((endpoint) => endpoint.data), [expected]);
  release.resolve();
  await call.next();
});
