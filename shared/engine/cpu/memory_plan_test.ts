import { assert, assertEquals, assertThrows } from "@std/assert/mod.js";
import { DeviceError } from "../backend.ts";
import { MemoryPlan } from "./memory_plan.ts";

const MIB = 1024 * 1024;

Deno.test("MemoryPlan.reserve() gives regions that do not meet, at cache lines", () => {
  const plan = new MemoryPlan();
  const sizes = [1, 64, 100, 4096];
  const addresses = sizes.map((size) => plan.reserve("weights", size));
  for (const [i, address] of addresses.entries()) {
    assertEquals(address % 64, 0);
    const next = addresses[i + 1] ?? plan.bytes;
    assert(address + sizes[i] <= next);
  }
  assert(plan.create().buffer.byteLength >= plan.bytes);
});

Deno.test("MemoryPlan.check() refuses what passes 4 GiB or the machine, with what needs it", () => {
  const plan = new MemoryPlan();
  plan.reserve("weights", 3000 * MIB);
  plan.reserve("KV cache", 1000 * MIB);
  plan.check("m.gguf", undefined);
  assertThrows(
    () => plan.check("m.gguf", 2000 * MIB),
    DeviceError,
    "Cannot load m.gguf: it needs 4001 MiB (weights 3001 MiB, KV cache 1001 MiB), and this machine " +
      "has 2000 MiB free",
  );
  plan.reserve("KV cache", 1000 * MIB);
  assertThrows(() => plan.check("m.gguf", undefined), DeviceError, "lower kvCacheTokens");
});
