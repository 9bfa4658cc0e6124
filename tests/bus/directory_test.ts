import { assert, assertEquals } from "@std/assert/mod.js";
import type { InstanceDirectory } from "../../shared/bus/mod.ts";
import type { InstanceRecord, InstanceState } from "../../shared/messages/mod.ts";
import { connectTestBus, instanceRecord } from "./bus_kit.ts";
import { NatsServer } from "./nats_server_kit.ts";

Deno.test("directory() sees an announced instance at once, with its record as it was", async () => {
  await using server = await NatsServer.start();
  await using watcher = await connectTestBus(server);
  await using worker = await connectTestBus(server, { heartbeatMs: 60_000 });
  const directory = watcher.directory();
  await watcher.ping();
  worker.announce(() => instanceRecord("w"));
  await directory.until((instances) => instances.length === 1);
  assertEquals(directory.list("decode"), [instanceRecord("w")]);
  assertEquals(directory.list("prefill"), []);
});

Deno.test("directory() knows at once who was there before it, and who is there after a reconnection", async () => {
  await using server = await NatsServer.start();
  await using worker = await connectTestBus(server, { heartbeatMs: 60_000 });
  worker.announce(() => instanceRecord("w"));
  await worker.ping();
  await using watcher = await connectTestBus(server);
  const directory = watcher.directory();
  await directory.until((instances) => instances.length === 1);
  await server.kill();
  await directory.until((instances) => instances.length === 0);
  await server.restart();
  await directory.until((instances) => instances.length === 1);
});

Deno.test("directory() sees every heartbeat and what publishNow() sends between them", async () => {
  await using server = await NatsServer.start();
  await using watcher = await connectTestBus(server, { instanceTtlMs: 60_000 });
  await using worker = await connectTestBus(server, { heartbeatMs: 60_000 });
  const directory = watcher.directory();
  await watcher.ping();
  let state: InstanceState = "ready";
  const announcement = worker.announce(() => ({ ...instanceRecord("w"), state }));
  await directory.until((instances) => instances.length === 1);
  state = "draining";
  announcement.publishNow();
  await directory.until(([instance]) => instance?.state === "draining");
});

Deno.test("directory() forgets an instance at once when it stops", async () => {
  await using server = await NatsServer.start();
  await using watcher = await connectTestBus(server, { instanceTtlMs: 60_000 });
  await using worker = await connectTestBus(server);
  const directory = watcher.directory();
  const announcement = worker.announce(() => instanceRecord("w"));
  await directory.until(isPresent);
  announcement.stop();
  await directory.until(isAbsent);
  announcement.publishNow();
  await worker.ping();
  await watcher.ping();
  assertEquals(directory.list(), []);
});

Deno.test("directory() forgets an instance whose bus closes", async () => {
  await using server = await NatsServer.start();
  await using watcher = await connectTestBus(server, { instanceTtlMs: 60_000 });
  const worker = await connectTestBus(server);
  const directory = watcher.directory();
  worker.announce(() => instanceRecord("w"));
  await directory.until(isPresent);
  await worker[Symbol.asyncDispose]();
  await directory.until(isAbsent);
});

Deno.test("directory().drop() holds until the next heartbeat", async () => {
  await using server = await NatsServer.start();
  await using watcher = await connectTestBus(server);
  await using worker = await connectTestBus(server);
  const directory = watcher.directory();
  worker.announce(() => instanceRecord("w"));
  await directory.until(isPresent);
  directory.drop("w");
  assertEquals(directory.list(), []);
  await directory.until(isPresent);
});

Deno.test("directory() empties while the server is away and fills by itself when it is back", async () => {
  await using server = await NatsServer.start();
  await using watcher = await connectTestBus(server);
  await using worker = await connectTestBus(server);
  const directory = watcher.directory();
  worker.announce(() => instanceRecord("w"));
  await directory.until(isPresent);
  await server.kill();
  await directory.until(isAbsent);
  await server.restart();
  await directory.until(isPresent);
});

Deno.test("an announcement is published as soon as the server is back", async () => {
  await using server = await NatsServer.start();
  const reconnected = Promise.withResolvers<void>();
  await using worker = await connectTestBus(server, {
    heartbeatMs: 60_000,
    onStatus: (status) => status.kind === "reconnected" && reconnected.resolve(),
  });
  let published = 0;
  worker.announce(() => {
    published++;
    return instanceRecord("w");
  });
  await server.kill();
  await server.restart();
  await reconnected.promise;
  assert(published >= 2);
});

Deno.test("directories of other namespaces see nothing", async () => {
  await using server = await NatsServer.start();
  await using watcher = await connectTestBus(server);
  await using stranger = await connectTestBus(server, { namespace: "other" });
  await using worker = await connectTestBus(server);
  const [seen, unseen] = [watcher.directory(), stranger.directory()];
  await stranger.ping();
  worker.announce(() => instanceRecord("w"));
  await seen.until(isPresent);
  await stranger.ping();
  assertEquals(unseen.list(), []);
});

Deno.test("directory() is one view for a bus", async () => {
  await using server = await NatsServer.start();
  await using bus = await connectTestBus(server);
  const first: InstanceDirectory = bus.directory();
  assertEquals(bus.directory(), first);
});

function isPresent(instances: readonly InstanceRecord[]): boolean {
  return instances.length > 0;
}

function isAbsent(instances: readonly InstanceRecord[]): boolean {
  return instances.length === 0;
}
