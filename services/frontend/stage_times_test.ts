import { assertEquals } from "@std/assert/mod.js";
import type { FrameArrival } from "./attempt.ts";
import { StageTimes } from "./stage_times.ts";

Deno.test("StageTimes.serverTiming() lists stages in the order of a request, in milliseconds", () => {
  const times = new StageTimes();
  times.set("route", 0.5);
  times.set("preprocess", 1.234);
  assertEquals(times.serverTiming(), "preprocess;dur=1.23, route;dur=0.50");
});

type Timings = Extract<FrameArrival["frame"], { kind: "end" }>["timings"];

function endFrame(source: FrameArrival["source"], timings: Timings): FrameArrival {
  const usage = { promptTokens: 1, cachedTokens: 0, completionTokens: 1 };
  return { source, frame: { kind: "end", finishReason: "stop", usage, timings }, atMs: 9999 };
}

Deno.test("StageTimes.frame() takes each difference from one worker's clock", () => {
  const times = new StageTimes();
  times.frame(
    endFrame("prefill", { receivedAtMs: 5, scheduledAtMs: 7, firstTokenAtMs: 20, endAtMs: 25 }),
    true,
  );
  const decode = { receivedAtMs: 1000, scheduledAtMs: 1001, firstTokenAtMs: 1030, endAtMs: 1100 };
  times.frame(endFrame("decode", { ...decode, kvTransferMs: 9 }), false);
  assertEquals(
    times.serverTiming(),
    "queue;dur=2.00, prefill;dur=13.00, kv_transfer;dur=9.00, decode;dur=70.00",
  );
});

Deno.test("StageTimes.frame() takes all from the decode worker when it did all", () => {
  const times = new StageTimes();
  times.frame(
    endFrame("decode", { receivedAtMs: 0, scheduledAtMs: 2, firstTokenAtMs: 10, endAtMs: 50 }),
    true,
  );
  assertEquals(times.serverTiming(), "queue;dur=2.00, prefill;dur=8.00, decode;dur=40.00");
});

Deno.test("StageTimes.frame() tells stages by the frames' arrival before any end", () => {
  const times = new StageTimes();
  const source = "decode";
  times.attempted(1);
  times.frame(
    { source, frame: { kind: "accepted", instanceId: "d", queueDepth: 1 }, atMs: 3 },
    true,
  );
  times.frame({ source, frame: { kind: "scheduled", cachedTokens: 0 }, atMs: 10 }, true);
  times.frame({ source, frame: { kind: "tokens", index: 0, ids: [7], step: 1 }, atMs: 30 }, true);
  times.frame({ source, frame: { kind: "tokens", index: 1, ids: [7], step: 2 }, atMs: 90 }, true);
  assertEquals(times.serverTiming(), "dispatch;dur=2.00, queue;dur=7.00, prefill;dur=20.00");
  times.tokensEnded();
  assertEquals(
    times.serverTiming(),
    "dispatch;dur=2.00, queue;dur=7.00, prefill;dur=20.00, decode;dur=60.00",
  );
});

Deno.test("StageTimes.frame() leaves out what no worker reported", () => {
  const times = new StageTimes();
  times.frame(endFrame("decode", { receivedAtMs: 0, endAtMs: 5 }), true);
  assertEquals(times.serverTiming(), "");
});
