import { assertEquals } from "@std/assert/mod.js";
import { ApiError } from "./errors.ts";
import { sseData, sseDone, sseError, sseKeepAlive } from "./sse.ts";

Deno.test("sseData() keeps line breaks of a text inside one data line", () => {
  assertEquals(sseData(JSON.stringify({ text: "a\nb\r\n" })), 'data: {"text":"a\\nb\\r\\n"}\n\n');
});

Deno.test("sseError() is an error event with the envelope", () => {
  const event = sseError(new ApiError("worker_failed", "Cannot go on").body());
  const [name, data] = event.split("\n");
  assertEquals(name, "event: error");
  assertEquals(JSON.parse((data ?? "").slice("data: ".length)).error.code, "worker_failed");
});

Deno.test("sseKeepAlive() is a comment and sseDone() OpenAI's last line", () => {
  assertEquals(sseKeepAlive(), ": keep-alive\n\n");
  assertEquals(sseDone(), "data: [DONE]\n\n");
});
