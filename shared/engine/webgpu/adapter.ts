/** The adapter that a device is opened on, and what it is. */

/** Names of drivers that compute on the CPU; Deno does not always flag them. */
const SOFTWARE = /llvmpipe|lavapipe|swiftshader|software/i;

/** The fastest adapter of this machine; null where there is none. */
export async function bestAdapter(): Promise<GPUAdapter | null> {
  return await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" }) ?? null;
}

/** Whether there is an adapter that is not the CPU. */
export async function hasHardwareAdapter(): Promise<boolean> {
  const adapter = await bestAdapter();
  return adapter !== null && !isSoftware(adapter);
}

/** Its description, or its vendor and architecture where it has none. */
export function adapterName({ info }: GPUAdapter): string {
  return info.description || `${info.vendor} ${info.architecture}`.trim() || "unknown";
}

export function isSoftware(adapter: GPUAdapter): boolean {
  return adapter.info.isFallbackAdapter || SOFTWARE.test(adapterName(adapter));
}
