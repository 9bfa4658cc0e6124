import { assertEquals, assertRejects } from "@std/assert/mod.js";
import type { InstanceRecord, InstanceState, Role } from "../messages/mod.ts";
import { idleInstance } from "../messages/testing/idle_instance.ts";
import { HeartbeatDirectory } from "./instance_directory.ts";
import { decodePayload, encodePayload } from "./payload.ts";

function heartbeat(
  instanceId: string,
  role: Role = "decode",
  state: InstanceState = "ready",
): Uint8Array {
  return encodePayload(idleInstance({ instanceId, role, state }));
}

function ids(directory: HeartbeatDirectory, role?: Role): string[] {
  return directory.list(role).map((record) => record.instanceId);
}

Deno.test("HeartbeatDirectory.list() holds who sends heartbeats, by role, the draining too", () => {
  const directory = new HeartbeatDirectory(2);
  directory.receive(heartbeat("d1"));
  directory.receive(heartbeat("p1", "prefill"));
  directory.receive(heartbeat("d2", "decode", "draining"));
  assertEquals(ids(directory), ["d1", "p1", "d2"]);
  assertEquals(ids(directory, "decode"), ["d1", "d2"]);
  assertEquals(ids(directory, "prefill"), ["p1"]);
});

Deno.test("HeartbeatDirectory.receive() replaces an instance's record by its newest", () => {
  const directory = new HeartbeatDirectory(2);
  directory.receive(heartbeat("d1"));
  directory.receive(heartbeat("d1", "decode", "draining"));
  assertEquals(directory.list().map((record) => record.state), ["draining"]);
});

Deno.test("HeartbeatDirectory.receive() ignores what is no heartbeat, or would make odd subjects", () => {
  const directory = new HeartbeatDirectory(2);
  const record = decodePayload(heartbeat("d1")) as InstanceRecord;
  for (
    const body of [
      null,
      { ...record, instanceId: ">" },
      { ...record, instanceId: "a b" },
      { ...record, namespace: "n.m" },
      { ...record, load: { ...record.load, totalBlocks: NaN } },
      { ...record, model: { name: "m" } },
      { ...record, role: "other" },
    ]
  ) {
    directory.receive(encodePayload(body));
  }
  assertEquals(ids(directory), []);
  directory.receive(encodePayload({ ...record, ofANewerVersion: 1 }));
  assertEquals(directory.list(), [record]);
});

Deno.test("HeartbeatDirectory.tick() forgets the silent, and a heartbeat revives them", () => {
  const directory = new HeartbeatDirectory(2);
  directory.receive(heartbeat("d1"));
  directory.receive(heartbeat("d2"));
  directory.tick();
  directory.receive(heartbeat("d2"));
  directory.tick();
  assertEquals(ids(directory), ["d2"]);
  directory.receive(heartbeat("d1"));
  assertEquals(ids(directory), ["d2", "d1"]);
});

Deno.test("HeartbeatDirectory.drop() and a departure forget an instance at once", () => {
  const directory = new HeartbeatDirectory(2);
  directory.receive(heartbeat("d1"));
  directory.receive(heartbeat("d2"));
  directory.drop("d1");
  assertEquals(ids(directory), ["d2"]);
  directory.receive(encodePayload({ instanceId: "d2", hasLeft: true }));
  assertEquals(ids(directory), []);
});

Deno.test("HeartbeatDirectory.receive() ignores what is not a heartbeat", () => {
  const directory = new HeartbeatDirectory(2);
  let changes = 0;
  directory.onChange(() => changes++);
  for (
    const data of [
      new Uint8Array([0xc1]),
      new Uint8Array(),
      encodePayload("x"),
      encodePayload({ instanceId: 1 }),
      encodePayload({ instanceId: "a", role: "router" }),
      encodePayload({ instanceId: "a", role: "decode", model: {}, load: {}, device: {} }),
      encodePayload({ hasLeft: true }),
    ]
  ) directory.receive(data);
  assertEquals([ids(directory), changes], [[], 0]);
});

Deno.test("HeartbeatDirectory.onChange() tells of arrival, heartbeat and departure until removed", () => {
  const directory = new HeartbeatDirectory(1);
  const seen: string[][] = [];
  const remove = directory.onChange((all) => seen.push(all.map((each) => each.instanceId)));
  directory.receive(heartbeat("d1"));
  directory.receive(heartbeat("d1"));
  directory.tick();
  directory.tick();
  remove();
  directory.receive(heartbeat("d1"));
  assertEquals(seen, [["d1"], ["d1"], []]);
});

Deno.test("HeartbeatDirectory.until() resolves when the list is as asked", async () => {
  const directory = new HeartbeatDirectory(1);
  await directory.until((all) => all.length === 0);
  const ready = directory.until((all) => all.length === 2);
  directory.receive(heartbeat("d1"));
  directory.receive(heartbeat("d2"));
  await ready;
});

Deno.test("HeartbeatDirectory.until() rejects with the signal's reason", async () => {
  const directory = new HeartbeatDirectory(1);
  const abort = new AbortController();
  const ready = directory.until((all) => all.length === 1, abort.signal);
  abort.abort(new Error("enough"));
  await assertRejects(() => ready, Error, "enough");
  await assertRejects(() => directory.until(() => true, abort.signal), Error, "enough");
});
