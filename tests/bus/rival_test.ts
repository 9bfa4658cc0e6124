import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert/mod.js";
import { HandlerError } from "../../shared/bus/mod.ts";
import { refuseRival, untilOutranked } from "../../shared/worker/rival.ts";
import { connectTestBus, instanceRecord } from "./bus_kit.ts";
import { NatsServer } from "./nats_server_kit.ts";

Deno.test("refuseRival() finds a live worker with the same id, in either role, and no other", async () => {
  await using server = await NatsServer.start();
  await using first = await connectTestBus(server);
  await using second = await connectTestBus(server);
  await refuseRival(second, "w-1");
  const stop = first.serve("prefill", "card", "w-1", () => {
    throw new HandlerError("bad_request", "no transfer in the call");
  });
  await first.ping();
  await assertRejects(
    () => refuseRival(second, "w-1"),
    Error,
    "a prefill worker with the instance id w-1 is up",
  );
  await refuseRival(second, "w-2");
  stop();
  await first.ping();
  await refuseRival(second, "w-1");
});

Deno.test("untilOutranked() ends the later of two workers with one id, and the other stays known", async () => {
  await using server = await NatsServer.start();
  const options = { heartbeatMs: 20 };
  await using earlier = await connectTestBus(server, options);
  await using later = await connectTestBus(server, options);
  await using frontend = await connectTestBus(server, options);
  const records = [
    { ...instanceRecord("w"), pid: 1, startedAtMs: 100 },
    { ...instanceRecord("w"), pid: 2, startedAtMs: 200 },
  ] as const;
  const heard = frontend.directory();
  await frontend.ping();
  const heartbeats = [
    earlier.announce(() => records[0]),
    later.announce(() => records[1]),
  ] as const;
  const stays = untilOutranked(earlier.directory(), records[0], heartbeats[0]);
  const goes = untilOutranked(later.directory(), records[1], heartbeats[1]);
  assertStringIncludes(
    (await goes).message,
    "a decode worker with the instance id w started before this one (process 1 on h)",
  );
  heartbeats[1].stop();
  await later.drain(1_000);
  await heard.until((instances) => instances[0]?.pid === 1);
  assertEquals(await Promise.race([stays, Promise.resolve("stays")]), "stays");
});
