import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { ProvisionError } from "../../shared/provision/mod.ts";
import { denoFinding } from "./doctor.ts";
import { checkMemory } from "./prepare.ts";

const GB = 1e9;

Deno.test("checkMemory refuses a model whose copies exceed the memory of a software adapter", () => {
  const need = { fileBytes: 4 * GB, availableBytes: 8 * GB, workerCount: 2, isSoftware: true };
  assertThrows(() => checkMemory(need), ProvisionError, "take a smaller model with --model");
  checkMemory({ ...need, workerCount: 1 });
});

Deno.test("checkMemory leaves the memory of a GPU to its worker", () => {
  checkMemory({ fileBytes: 40 * GB, availableBytes: GB, workerCount: 2, isSoftware: false });
});

Deno.test("denoFinding stops what is too old and notes what was not tried", () => {
  assertEquals(denoFinding("2.9.6").grade, "good");
  assertEquals(denoFinding("2.9.8").grade, "note");
  assertEquals(denoFinding("3.0.0").grade, "note");
  assertEquals(denoFinding("2.8.9").grade, "bad");
  assertEquals(denoFinding("1.46.3").grade, "bad");
});
