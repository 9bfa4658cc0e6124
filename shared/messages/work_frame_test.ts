import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { parseWorkFrame } from "./work_frame.ts";

const END = {
  kind: "end",
  finishReason: "stop",
  usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 2 },
  timings: { receivedAtMs: 1.5, kvTransferMs: 2.5, endAtMs: 3 },
};

Deno.test("parseWorkFrame() returns every kind of frame as it came", () => {
  for (
    const frame of [
      { kind: "accepted", instanceId: "d1", queueDepth: 0 },
      { kind: "scheduled", cachedTokens: 16 },
      { kind: "tokens", index: 3, ids: [0, 0xffffffff], step: 7 },
      END,
    ]
  ) {
    assertEquals(parseWorkFrame(frame), frame);
  }
});

Deno.test("parseWorkFrame() passes over kinds and fields of a newer version", () => {
  assertEquals(parseWorkFrame({ kind: "logprobs", values: [1] }), null);
  assertEquals(parseWorkFrame({ kind: "toString" }), null);
  assertEquals(parseWorkFrame({ ...END, more: 1 }), END);
});

Deno.test("parseWorkFrame() refuses a known frame with a wrong field, by name", () => {
  for (
    const [frame, field] of [
      [{ kind: "tokens", index: 0, ids: [-1], step: 0 }, "ids.0"],
      [{ kind: "tokens", index: NaN, ids: [], step: 0 }, "index"],
      [{ kind: "tokens", index: 0, ids: [1] }, "step"],
      [{ ...END, timings: {} }, "timings.receivedAtMs"],
      [{ ...END, finishReason: "tired" }, "finishReason"],
      [null, "no kind"],
      ["tokens", "no kind"],
    ] as const
  ) {
    assertThrows(() => parseWorkFrame(frame), TypeError, field);
  }
});
