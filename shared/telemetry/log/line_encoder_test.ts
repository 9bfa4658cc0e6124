import { assertEquals } from "@std/assert/mod.js";
import { LineEncoder } from "./line_encoder.ts";

Deno.test("LineEncoder gives the bytes of every text, short and long, one after the other", () => {
  const encoder = new LineEncoder();
  const texts = [
    "",
    "a\n",
    "grüße 你好 🙂\n",
    "\ud800",
    "你".repeat(64 * 1024),
    "你".repeat(70_000),
    "b",
  ];
  for (const text of texts) {
    assertEquals(encoder.encode(text), new TextEncoder().encode(text));
  }
});
