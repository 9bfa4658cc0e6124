import { assert, assertEquals } from "@std/assert/mod.js";
import type { InstanceDirectory } from "../../shared/bus/mod.ts";
import type { InstanceRecord, InstanceState } from "../../shared/messages/mod.ts";
import { within } from "../kit/waits.ts";
import { connectTestBus, instanceRecord, WATCHFUL } from "./bus_kit.ts";
import { NatsServer } from "./nats_server_kit.ts";

Deno.test("directory() sees an announced instance at once, with its record as it was", async () => {
  await using server = await NatsServer.start();
  await using watcher = await connectTestBus(server);
  await using worker = await connectTestBus(server, { heartbeatMs: 60_000 });
  const directory = watcher.directory();
  await watcher.ping();
  worker.announce(() => instanceRecord("w"));
  await until(directory, (instances) => instances.length === 1);
  assertEquals(directory.list("decode"), [instanceRecord("w")]);
  assertEquals(directory.list("prefill"), []);
});

Deno.test("directory() knows at once who was there before it, and who is there after a reconnection", async () => {
  await using server = await NatsServer.start();
  await using worker = await connectTestBus(server, { heartbeatMs: 60_000 });
  worker.announce(() => instanceRecord("w"));
  await worker.ping();
  await using watcher = await connectTestBus(server, WATCHFUL);
  const directory = watcher.directory();
  await until(directory, (instances) => instances.length === 1);
  await server.kill();
  await until(directory, (instances) => instances.length === 0);
  await server.restart();
  await until(directory, (instances) => instances.length === 1);
});

Deno.test("directory() sees every heartbeat and what publishNow() sends between them", async () => {
  await using server = await NatsServer.start();
  await using watcher = await connectTestBus(server);
  await using worker = await connectTestBus(server, { heartbeatMs: 60_000 });
  const directory = watcher.directory();
  await watcher.ping();
  let state: InstanceState = "ready";
  const announcement = worker.announce(() => ({ ...instanceRecord("w"), state }));
  await until(directory, (instances) => instances.length === 1);
  state = "draining";
  announcement.publishNow();
  await until(directory, ([instance]) => instance?.state === "draining");
});

Deno.test("directory() forgets an instance at once when it stops", async () => {
  await using server = await NatsServer.start();
  await using watcher = await connectTestBus(server);
  await using worker = await connectTestBus(server);
  const directory = watcher.directory();
  const announcement = worker.announce(() => instanceRecord("w"));
  await until(directory, isPresent);
  announcement.stop();
  await until(directory, isAbsent);
  announcement.publishNow();
  await worker.ping();
  await watcher.ping();
  assertEquals(directory.list(), []);
});

Deno.test("directory() forgets an instance whose bus closes", async () => {
  await using server = await NatsServer.start();
  await using watcher = await connectTestBus(server);
  const worker = await connectTestBus(server);
  const directory = watcher.directory();
  worker.announce(() => instanceRecord("w"));
  await until(directory, isPresent);
  await worker[Symbol.asyncDispose]();
  await until(directory, isAbsent);
});

Deno.test("directory().drop() holds until the next heartbeat", async () => {
  await using server = await NatsServer.start();
  await using watcher = await connectTestBus(server);
  await using worker = await connectTestBus(server);
  const directory = watcher.directory();
  worker.announce(() => instanceRecord("w"));
  await until(directory, isPresent);
  directory.drop("w");
  assertEquals(directory.list(), []);
  await until(directory, isPresent);
});

Deno.test("directory() empties while the server is away and fills by itself when it is back", async () => {
  await using server = await NatsServer.start();
  await using watcher = await connectTestBus(server, WATCHFUL);
  await using worker = await connectTestBus(server);
  const directory = watcher.directory();
  worker.announce(() => instanceRecord("w"));
  await until(directory, isPresent);
  await server.kill();
  await until(directory, isAbsent);
  await server.restart();
  await until(directory, isPresent);
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
  await within("the reconnection", reconnected.promise);
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
  await until(seen, isPresent);
  await stranger.ping();
  assertEquals(unseen.list(), []);
});

Deno.test("directory() is one view for a bus", async () => {
  await using server = await NatsServer.start();
  await using bus = await connectTestBus(server);
  const first: InstanceDirectory = bus.directory();
  assertEquals(bus.directory(), first);
});

/** Resolves when `isReady` holds for the instances of a directory. */
function until(
  directory: InstanceDirectory,
  isReady: (instances: readonly InstanceRecord[]) => boolean,
): Promise<void> {
  const seen = () => JSON.stringify(directory.list());
  return within("the instances", directory.until(isReady), { seen });
}

function isPresent(instances: readonly InstanceRecord[]): boolean {
  return instances.length > 0;
}

function isAbsent(instances: readonly InstanceRecord[]): boolean {
  return instances.length === 0;
}
