/**
 * Prints the WebGPU adapter that Deno finds, as one JSON line: `{"adapter": {…} | null}`.
 *
 * Run as a child process: a process that has looked for a Vulkan loader once does not look again,
 * so only a new process sees a driver that was just installed.
 */

import { adapterName, bestAdapter, isSoftware } from "../engine/webgpu/adapter.ts";
import type { AdapterSummary } from "./adapter.ts";

if (import.meta.main) {
  const adapter = await bestAdapter();
  const summary: AdapterSummary | null = adapter === null ? null : {
    description: adapterName(adapter),
    isSoftware: isSoftware(adapter),
  };
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify({ adapter: summary }) + "\n"));
  Deno.exit(0);
}
