import { assertEquals } from "@std/assert/mod.js";
import { StageTimes } from "./stage_times.ts";

Deno.test("StageTimes.serverTiming() lists stages in the order they were set, in milliseconds", () => {
  const times = new StageTimes();
  times.set("preprocess", 1.234);
  times.set("route", 0.5);
  assertEquals(times.serverTiming(), "preprocess;dur=1.23, route;dur=0.50");
});

Deno.test("StageTimes.setWorkers() takes each difference from one worker's clock", () => {
  const times = new StageTimes();
  times.setWorkers(
    {
      receivedAtMs: 1000,
      scheduledAtMs: 1001,
      firstTokenAtMs: 1030,
      kvTransferMs: 9,
      endAtMs: 1100,
    },
    { receivedAtMs: 5, scheduledAtMs: 7, firstTokenAtMs: 20, endAtMs: 25 },
  );
  assertEquals(
    times.serverTiming(),
    "queue;dur=2.00, prefill;dur=13.00, kv_transfer;dur=9.00, decode;dur=70.00",
  );
});

Deno.test("StageTimes.setWorkers() takes all from the decode worker when it did all", () => {
  const times = new StageTimes();
  times.setWorkers(
    { receivedAtMs: 0, scheduledAtMs: 2, firstTokenAtMs: 10, endAtMs: 50 },
    undefined,
  );
  assertEquals(times.serverTiming(), "queue;dur=2.00, prefill;dur=8.00, decode;dur=40.00");
});

Deno.test("StageTimes.setWorkers() leaves out what no worker reported", () => {
  const times = new StageTimes();
  times.setWorkers(undefined, undefined);
  assertEquals(times.serverTiming(), "");
});
