import { assertEquals, assertNotEquals } from "@std/assert/mod.js";
import {
  DIGEST_SECTION,
  KERNELS_WASM,
  kernelsProblem,
  readKernelSources,
  sourceDigest,
} from "./kernel_sources.ts";

Deno.test("the compiled kernels carry the digest of the sources beside them", async () => {
  assertEquals(await kernelsProblem(), undefined);
  const module = await WebAssembly.compile(await Deno.readFile(KERNELS_WASM));
  const [section] = WebAssembly.Module.customSections(module, DIGEST_SECTION);
  const sources = await readKernelSources();
  assertEquals(new TextDecoder().decode(section), await sourceDigest(sources));
});

Deno.test("sourceDigest() differs with any name or text", async () => {
  const digest = (...entries: [string, string][]) => sourceDigest(new Map(entries));
  const base = await digest(["a", "x"], ["b", "y"]);
  assertEquals(await digest(["a", "x"], ["b", "y"]), base);
  assertNotEquals(await digest(["a", "x"], ["b", "z"]), base);
  assertNotEquals(await digest(["a", "x"], ["c", "y"]), base);
  assertNotEquals(await digest(["a", "xby"]), base);
});
