/**
 * Golden trees of requests that go on although something around them fails.
 * To write the files anew, see served_test.ts.
 */

import { assertEquals, assertMatch } from "@std/assert/mod.js";
import { freePort } from "../../kit/ports.ts";
import { answerOf } from "./answer_stream.ts";
import { GoldenStack } from "./golden_stack.ts";

const SIMULATED = { DYN_ENGINE: "simulated", DYN_SIM_ANSWER_TOKENS: "0" };

function completion(prompt: string, maxTokens: number) {
  return {
    model: "simulated",
    prompt,
    temperature: 0,
    seed: 7,
    max_tokens: maxTokens,
    stream: true,
  };
}

Deno.test("golden: two_attempts", async () => {
  // The fifth step of each worker fails: four tokens come from one, and two from the other.
  await using golden = await GoldenStack.start({
    prefillCount: 0,
    decodeCount: 2,
    env: { ...SIMULATED, DYN_SIM_FAULTS: "fail@5" },
  });
  const { traceId, text } = await answerOf(golden.ask("completions", completion("try again", 6)));
  assertMatch(text, /"finish_reason":"length"[^]*\[DONE\]/);
  await golden.assertTrace("two_attempts", {
    about: "A worker's engine fails after four tokens, and another worker goes on",
    traceId,
    // The failed one is known to be down by its farewell or not yet.
    varying: ["router.skipped"],
  });
});

Deno.test("golden: collector_down", async () => {
  await using golden = await GoldenStack.start({
    env: {
      ...SIMULATED,
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://127.0.0.1:${freePort()}/v1/traces`,
      // Each service tries so long to deliver its last spans.
      OTEL_EXPORTER_OTLP_TIMEOUT: "300",
    },
  });
  const { traceId, status } = await answerOf(golden.ask("completions", completion("unheard", 20)));
  assertEquals(status, 200);
  await golden.assertTrace("collector_down", {
    about: "No collector listens: the request is served, and its log tells the whole tree",
    traceId,
    isExported: false,
  });
});
