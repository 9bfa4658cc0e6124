import { assertRejects } from "@std/assert/mod.js";
import { HandlerError } from "../../shared/bus/mod.ts";
import { refuseRival } from "../../shared/worker/rival.ts";
import { connectTestBus } from "./bus_kit.ts";
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
