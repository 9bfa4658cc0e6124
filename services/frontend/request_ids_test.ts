import { assertEquals, assertNotEquals } from "@std/assert/mod.js";
import { requestIds } from "./request_ids.ts";

Deno.test("requestIds keeps a client's id that can travel, and replaces one that cannot or is a secret", () => {
  for (const id of ["my-req", "d70dae74-0000-4000-8000-000000000000", "user@example.com/42"]) {
    assertEquals(requestIds(id).xRequestId, id);
  }
  const secret = `sk-proj-${"aB3".repeat(20)}`;
  for (const id of [null, "", "two words", "ü", "x".repeat(257), secret, "token=hunter2"]) {
    const { xRequestId, requestId } = requestIds(id);
    assertNotEquals(xRequestId, id);
    assertEquals(xRequestId, requestId);
  }
});
