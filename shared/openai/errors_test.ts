import { assertEquals, assertStrictEquals } from "@std/assert/mod.js";
import { ApiError, ERROR_KINDS, type ErrorCode, toApiError } from "./errors.ts";

Deno.test("ApiError.body() is OpenAI's envelope with message, type, param and code", () => {
  const error = new ApiError("invalid_value", "Cannot use n: too large", { param: "n" });
  assertEquals(error.body(), {
    error: {
      message: "Cannot use n: too large",
      type: "invalid_request_error",
      param: "n",
      code: "invalid_value",
    },
  });
});

Deno.test("ApiError.body() has a null param where no parameter is at fault", () => {
  assertEquals(new ApiError("overloaded", "Cannot serve").body().error.param, null);
});

Deno.test("ERROR_KINDS gives each refusal the status that clients branch on", () => {
  const expected: [ErrorCode, number, string][] = [
    ["invalid_json", 400, "validation"],
    ["unsupported_parameter", 400, "validation"],
    ["context_length_exceeded", 400, "validation"],
    ["unsupported_media_type", 415, "validation"],
    ["request_too_large", 413, "validation"],
    ["model_not_found", 404, "not_found"],
    ["no_workers", 503, "unavailable"],
    ["overloaded", 503, "overload"],
    ["deadline_exceeded", 504, "response_timeout"],
    ["internal_error", 500, "internal"],
  ];
  for (const [code, status, label] of expected) {
    assertEquals([ERROR_KINDS[code].status, ERROR_KINDS[code].label], [status, label], code);
  }
});

Deno.test("ERROR_KINDS marks exactly the 503 answers as worth a retry", () => {
  for (const [code, kind] of Object.entries(ERROR_KINDS)) {
    assertEquals(kind.isRetryable, kind.status === 503, code);
  }
});

Deno.test("toApiError() keeps an ApiError and hides the text of anything else", () => {
  const known = new ApiError("overloaded", "Cannot serve");
  assertStrictEquals(toApiError(known), known);
  const secret = new Error("password=hunter2");
  const hidden = toApiError(secret);
  assertEquals(hidden.code, "internal_error");
  assertEquals(hidden.message.includes("hunter2"), false);
  assertStrictEquals(hidden.cause, secret);
});
