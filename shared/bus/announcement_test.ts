import { assertEquals } from "@std/assert/mod.js";
import { FakeLink } from "../../tests/bus/fake_link.ts";
import { eventually } from "../../tests/kit/waits.ts";
import { rollCallSubject } from "../messages/mod.ts";
import { idleInstance } from "../messages/testing/idle_instance.ts";
import { Announcement } from "./announcement.ts";

const DAY_MS = 86_400_000;

Deno.test({
  name: "Announcement answers the first roll call at once and those that follow it together",
  sanitizeOps: true,
  fn: async () => {
    const link = new FakeLink();
    const announcement = new Announcement(link, {
      namespace: "test",
      record: idleInstance,
      heartbeatMs: DAY_MS,
    });
    assertEquals(link.takeKinds(), ["heartbeat"]);
    const callRoll = () => link.deliver(rollCallSubject("test"), { kind: "roll_call" });
    callRoll();
    assertEquals(link.takeKinds(), ["heartbeat"]);
    for (let caller = 0; caller < 50; caller++) callRoll();
    assertEquals(link.published.length, 0);
    await eventually(() => link.published.length > 0);
    assertEquals(link.takeKinds(), ["heartbeat"]);
    callRoll();
    announcement.stop();
    assertEquals(link.takeKinds(), ["departure"]);
  },
});
