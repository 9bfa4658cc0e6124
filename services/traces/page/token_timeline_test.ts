import { assertEquals } from "@std/assert/mod.js";
import { sampleSpan, START_MS } from "../../../shared/trace_view/testing/sample_trace.ts";
import { buildTree } from "../../../shared/trace_view/trace_tree.ts";
import { gapsOf } from "./token_timeline.ts";

Deno.test("gapsOf gives each gap its time, its token and its cause", () => {
  const otherTraceId = "ab".repeat(16);
  const { roots: [node] } = buildTree([sampleSpan({
    id: "d",
    name: "engine.decode",
    at: [0, 400],
    more: {
      events: [
        { name: "first_token", timeUs: (START_MS + 1) * 1000, attributes: {} },
        {
          name: "itl.gap",
          timeUs: (START_MS + 200) * 1000,
          attributes: {
            "token.index": 7,
            "engine.step": 90,
            gap_ms: 50,
            cause: "prefill",
            cause_ms: 40,
            "other.trace_id": otherTraceId,
            "other.tokens": 512,
          },
        },
        { name: "itl.gap", timeUs: (START_MS + 100) * 1000, attributes: { gap_ms: 10 } },
      ],
    },
  })]);
  const nothing = { token: undefined, step: undefined, causeUs: undefined, otherTokens: undefined };
  const atUs = (ms: number) => (START_MS + ms) * 1000;
  assertEquals(gapsOf(node), [
    { ...nothing, startUs: atUs(90), endUs: atUs(100), cause: "", otherTraceId: "" },
    {
      startUs: atUs(150),
      endUs: atUs(200),
      token: 8,
      step: 90,
      cause: "prefill",
      causeUs: 40_000,
      otherTraceId,
      otherTokens: 512,
    },
  ]);
});
