import { assertEquals, assertThrows } from "@std/assert/mod.js";
import type { WorkRequest } from "./work.ts";
import { parseWorkRequest } from "./work_request.ts";

const REQUEST: WorkRequest = {
  phase: "prefill",
  requestId: "r",
  attempt: 1,
  model: "m",
  promptTokens: [1, 2],
  sampling: { temperature: 0, topK: 0, topP: 1, seed: 7 },
  maxTokens: 3,
  stopTokenIds: [],
  transferId: "r-1",
};

Deno.test("parseWorkRequest() returns a request as it came", () => {
  assertEquals(parseWorkRequest(REQUEST), REQUEST);
});

Deno.test("parseWorkRequest() refuses a wrong field by name", () => {
  const { transferId: _, ...alone } = REQUEST;
  assertEquals(parseWorkRequest({ ...alone, phase: "aggregate" }).phase, "aggregate");
  for (
    const [request, field] of [
      [alone, "transferId"],
      // Would make the worker listen to every transfer, or write where it should not.
      [{ ...REQUEST, transferId: ">" }, "transferId"],
      [{ ...REQUEST, transferId: "a.b" }, "transferId"],
      [{ ...REQUEST, transferId: "a b" }, "transferId"],
      [{ ...REQUEST, model: "m".repeat(1000) }, "model"],
      [{ ...REQUEST, promptTokens: [-1] }, "promptTokens.0"],
      [{ ...REQUEST, sampling: { ...REQUEST.sampling, seed: 2 ** 60 } }, "sampling.seed"],
      [null, "payload"],
    ] as const
  ) {
    assertThrows(() => parseWorkRequest(request), TypeError, field);
  }
});
