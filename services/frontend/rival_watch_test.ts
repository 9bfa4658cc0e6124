import { assertEquals } from "@std/assert/mod.js";
import { RivalWatch } from "./rival_watch.ts";
import { FakeBus } from "./testing/fake_bus.ts";
import { FakeTelemetry } from "./testing/fake_telemetry.ts";
import { FakeModel, startFakeWorker } from "./testing/fake_worker.ts";

Deno.test("RivalWatch tells once of two workers that share an id, and of no restart", async () => {
  const { instances } = new FakeBus();
  const telemetry = new FakeTelemetry();
  using _ = new RivalWatch(instances, telemetry.log);
  const model = await FakeModel.create("x");
  const record = startFakeWorker(new FakeBus(), { role: "decode", instanceId: "d1", model });
  const older = { ...record, pid: 1, startedAtMs: 100 };
  const younger = { ...record, pid: 2, startedAtMs: 200 };
  instances.put(older);
  instances.put(younger);
  instances.put(younger);
  assertEquals(telemetry.lines, []);
  instances.put(older);
  instances.drop("d1");
  instances.put(younger);
  instances.put(older);
  assertEquals(telemetry.lines.map(({ level, fields }) => [level, fields.worker_id]), [
    ["error", "d1"],
  ]);
  assertEquals(telemetry.lines[0]?.fields.processes, `${record.host}/2, ${record.host}/1`);
});
