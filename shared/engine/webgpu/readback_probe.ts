/**
 * Finds out whether `immediate` readback works here (see `readback.ts`).
 *
 * A panic cannot be caught, so a child process of the same Deno runs the reads first. A compiled
 * executable has no `deno eval`, and running it again would start the program itself: it is left
 * alone, as is every version that nobody has looked at.
 */

import type { ReadbackMode } from "./readback.ts";

/** Versions in which `mapAsync` is known to wait for the device inside the call. */
const KNOWN_VERSIONS = /^2\.9\.\d+$/;
const TIMEOUT_MS = 10_000;

const PROBE = `
const adapter = await navigator.gpu.requestAdapter();
const device = await adapter.requestDevice();
const stage = device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
await stage.mapAsync(GPUMapMode.READ);
stage.unmap();
for (let i = 1; i <= 16; i++) {
  device.queue.writeBuffer(stage, 0, new Uint32Array([i]));
  device.queue.submit([]);
  stage.mapAsync(GPUMapMode.READ, 0, 8).catch(() => {});
  if (new Uint32Array(stage.getMappedRange(0, 8))[0] !== i) Deno.exit(1);
  stage.unmap();
  await Promise.resolve();
}
Deno.exit(0);
`;

/** Resolves to `immediate` where it is known and seen to work, else to `awaited`. Never rejects. */
export async function probeImmediateReadback(): Promise<ReadbackMode> {
  if (Deno.build.standalone || !KNOWN_VERSIONS.test(Deno.version.deno)) return "awaited";
  try {
    const probe = new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-config", "--no-lock", PROBE],
      stdin: "null",
      stdout: "null",
      stderr: "null",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const { success } = await probe.output();
    return success ? "immediate" : "awaited";
  } catch {
    // No permission to run a child, or none could be started: the awaited way needs neither.
    return "awaited";
  }
}
