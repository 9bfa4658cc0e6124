import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { ProvisionError } from "../../shared/provision/mod.ts";
import type { ModelFile } from "../../shared/weights/mod.ts";
import { checkMemory, modelBytes } from "./memory_need.ts";

const GB = 1e9;

Deno.test("checkMemory refuses a model whose copies exceed the memory of a software adapter", () => {
  const need = { modelBytes: 4 * GB, availableBytes: 8 * GB, workerCount: 2, isSoftware: true };
  assertThrows(() => checkMemory(need), ProvisionError, "take a smaller model with --model");
  checkMemory({ ...need, workerCount: 1 });
});

Deno.test("checkMemory leaves the memory of a GPU to its worker", () => {
  checkMemory({ modelBytes: 40 * GB, availableBytes: GB, workerCount: 2, isSoftware: false });
});

Deno.test("modelBytes counts every tensor and whole blocks of KV", () => {
  const tensors = new Map([["a", { byteLength: 100 }], ["b", { byteLength: 30 }]]);
  const shape = { layers: 3, kvHeads: 2, headDim: 8 };
  const file = { tensors, shape } as unknown as ModelFile;
  assertEquals(modelBytes(file, 17) - 130, 2 * 16 * 3 * 2 * 2 * 8 * 4);
});
