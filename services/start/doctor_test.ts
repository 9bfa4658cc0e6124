import { assertEquals } from "@std/assert/mod.js";
import { denoFinding } from "./doctor.ts";

Deno.test("denoFinding stops what is too old and notes what was not tried", () => {
  assertEquals(denoFinding("2.9.6").grade, "good");
  assertEquals(denoFinding("2.9.8").grade, "note");
  assertEquals(denoFinding("3.0.0").grade, "note");
  assertEquals(denoFinding("2.8.9").grade, "bad");
  assertEquals(denoFinding("1.46.3").grade, "bad");
});
