import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { ApiError } from "./errors.ts";
import { parseJsonObject } from "./validation.ts";

Deno.test("parseJsonObject() returns the object", () => {
  assertEquals(parseJsonObject('{"a":[1]}'), { a: [1] });
});

Deno.test("parseJsonObject() refuses broken JSON without quoting it", () => {
  for (const text of ["", "{", '{"prompt":"secret words', "undefined"]) {
    const error = assertThrows(() => parseJsonObject(text), ApiError);
    assertEquals([error.code, error.kind.status], ["invalid_json", 400]);
    assertEquals(error.message.includes("secret"), false);
  }
});

Deno.test("parseJsonObject() refuses JSON that is not an object", () => {
  for (const text of ["[]", "null", "3", '"x"']) {
    assertEquals(assertThrows(() => parseJsonObject(text), ApiError).code, "invalid_value");
  }
});
