import { assertEquals } from "@std/assert/mod.js";
import { REDACTED, redactValue } from "./redact.ts";

for (
  const key of [
    "authorization",
    "Authorization",
    "proxy-authorization",
    "api_key",
    "apiKey",
    "OPENAI_API_KEY",
    "apikey",
    "token",
    "hf_token",
    "hfToken",
    "client.secret",
    "password",
    "DB_PASSWD",
    "set-cookie",
    "aws_secret_access_key",
    "s3.access-key",
    "private_key",
    "credentials",
  ]
) {
  Deno.test(`redactValue hides ${key}`, () => {
    assertEquals(redactValue(key, "hunter2"), REDACTED);
  });
}

for (
  const key of [
    "max_tokens",
    "input_tokens",
    "tokenizer",
    "prompt.tokens",
    "key",
    "keyboard",
    "author",
    "x_request_id",
    "monkey",
  ]
) {
  Deno.test(`redactValue shows ${key}`, () => {
    assertEquals(redactValue(key, "value"), "value");
  });
}

Deno.test("redactValue shows numbers and booleans whatever their key", () => {
  assertEquals(redactValue("token", 17), 17);
  assertEquals(redactValue("has_password", true), true);
});
