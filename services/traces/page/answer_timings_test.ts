import { assertEquals } from "@std/assert/mod.js";
import { readTimings, readTokenTimings } from "./answer_timings.ts";

Deno.test("readTimings counts the tokens and names the stages that the request got to", () => {
  assertEquals(
    readTimings({
      queue_ms: 1.5,
      kv_transfer_ms: null,
      decode_ms: 20,
      token_offsets_ms: [10, 22.5],
    }),
    {
      tokenCount: 2,
      stages: [{ name: "queue", ms: 1.5 }, { name: "decode", ms: 20 }],
    },
  );
  assertEquals(readTimings(undefined), null);
});

Deno.test("readTokenTimings gives each token its time, its step and its worker", () => {
  assertEquals(
    readTokenTimings([
      { offset_ms: 10, step: 3, instance_id: "ddc38027-c4df", phase: "prefill" },
      { offset_ms: 22.5, step: 90, instance_id: "2681a704-bb26", phase: "decode" },
      {},
    ]),
    [
      { offsetMs: 10, step: 3, worker: "prefill ddc38027" },
      { offsetMs: 22.5, step: 90, worker: "decode 2681a704" },
      { offsetMs: NaN, step: NaN, worker: "" },
    ],
  );
  assertEquals(readTokenTimings(undefined), []);
});
