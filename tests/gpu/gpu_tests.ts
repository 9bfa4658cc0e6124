/** Registers tests that need a WebGPU adapter. Without one they count as skipped, and it says why. */

import { note } from "./test_notes.ts";

const hasAdapter = await navigator.gpu.requestAdapter() !== null;
if (!hasAdapter) note("Skipping GPU tests: there is no WebGPU adapter; see `deno task doctor`");

export function gpuTest(name: string, body: (test: Deno.TestContext) => Promise<void>): void {
  Deno.test({ name, ignore: !hasAdapter, fn: body });
}
