/**
 * Golden trees of a real model, which the CPU computes here: its tree is that of the simulated engine.
 * To write the files anew, see served_test.ts.
 */

import { assertMatch } from "@std/assert/mod.js";
import { answerOf, GoldenStack } from "./golden_stack.ts";

const MODEL = "stories15m";

let golden: GoldenStack;

Deno.test.beforeAll(async () => {
  golden = await GoldenStack.start({
    model: MODEL,
    env: { DYN_DEVICE: "cpu", DYN_CPU_THREADS: "1" },
  });
});

Deno.test.afterAll(() => golden[Symbol.asyncDispose]());

function completion(prompt: string, isStream: boolean) {
  return {
    model: MODEL,
    prompt,
    temperature: 0,
    seed: 7,
    max_tokens: 120,
    ignore_eos: true,
    stream: isStream,
  };
}

Deno.test("golden: real_stream", async () => {
  const { traceId, text } = await answerOf(
    golden.ask("completions", completion("Once upon a time", true)),
  );
  assertMatch(text, /\[DONE\]/);
  await golden.assertTrace("real_stream", {
    about: "A streamed completion of a real model, disaggregated",
    traceId,
  });
});

Deno.test("golden: real_unary", async () => {
  const { traceId } = await answerOf(
    golden.ask("completions", completion("A dog and a cat", false)),
  );
  await golden.assertTrace("real_unary", {
    about: "A completion of a real model in one piece, disaggregated",
    traceId,
  });
});
