import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert/mod.js";
import { ApiError } from "../../shared/openai/mod.ts";
import { Admission } from "./admission.ts";

Deno.test("Admission lets in as many as may be in progress, and others once some have left", () => {
  const admission = new Admission<string>(2);
  const first = admission.enter("first");
  admission.enter("second");
  const error = assertThrows(() => admission.enter("third"), ApiError, "2 are in progress");
  assertEquals(error.code, "overloaded");
  admission.leave(first);
  admission.enter("fourth");
  assertEquals(admission.inflight, 2);
  assertEquals([...admission.requests], ["second", "fourth"]);
});

Deno.test({
  name:
    "Admission.drain() refuses what is new, waits for all that runs, and leaves no timer behind",
  sanitizeOps: true,
  fn: async () => {
    const admission = new Admission<string>(4);
    const [first, second] = [admission.enter("first"), admission.enter("second")];
    const drained = admission.drain(60_000);
    assertEquals(admission.stage, "draining");
    assertEquals(assertThrows(() => admission.enter("third"), ApiError).code, "shutting_down");
    admission.leave(first);
    // Whoever waits would go on now.
    for (let turn = 0; turn < 3; turn++) await Promise.resolve();
    assertEquals(admission.stage, "draining");
    admission.leave(second);
    await drained;
    assertEquals([admission.stage, second.signal.aborted], ["stopping", false]);
  },
});

Deno.test("Admission.drain() aborts what is left when its time is over", async () => {
  const admission = new Admission<string>(4);
  const request = admission.enter("request");
  const aborted = Promise.withResolvers<unknown>();
  request.signal.addEventListener("abort", () => {
    admission.leave(request);
    aborted.resolve(request.signal.reason);
  });
  await admission.drain(1);
  const reason = await aborted.promise;
  assertInstanceOf(reason, ApiError);
  assertEquals((reason as ApiError).code, "shutting_down");
});
