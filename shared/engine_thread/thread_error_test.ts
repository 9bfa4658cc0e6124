import { assert, assertEquals } from "@std/assert/mod.js";
import { DeviceError } from "../engine/backend.ts";
import { threadError, toThreadErrorMessage } from "./thread_error.ts";

function acrossThreads(error: unknown): Error {
  return threadError(structuredClone(toThreadErrorMessage(error)));
}

Deno.test("threadError() gives a DeviceError back as one", () => {
  const error = acrossThreads(new DeviceError("no adapter: install a Vulkan driver"));
  assert(error instanceof DeviceError);
  assertEquals(error.message, "no adapter: install a Vulkan driver");
});

Deno.test("threadError() keeps the name and message of other errors", () => {
  class ModelFileError extends Error {
    override name = "ModelFileError";
  }
  const error = acrossThreads(new ModelFileError("truncated at byte 7"));
  assertEquals(String(error), "ModelFileError: truncated at byte 7");
});

Deno.test("threadError() names the cause when closing failed after it", () => {
  const suppressed = new SuppressedError(new Error("cannot close"), new DeviceError("lost"), "");
  assertEquals(String(acrossThreads(suppressed)), "DeviceError: lost");
});

Deno.test("threadError() turns anything thrown into an error", () => {
  assertEquals(acrossThreads("odd").message, "odd");
});
