/** Opens the backend that was chosen, or the one that suits this machine. */

import type { ModelFile } from "../weights/model_file.ts";
import type { Backend, BackendOptions, DeviceChoice } from "./backend.ts";
import { type CpuBackendOptions, openCpuBackend } from "./cpu/backend.ts";
import { hasHardwareAdapter } from "./webgpu/adapter.ts";
import { openWebgpuBackend } from "./webgpu/backend.ts";

export interface OpenOptions extends BackendOptions {
  readonly device: DeviceChoice;
  /** For the CPU backend. */
  readonly cpu: Pick<CpuBackendOptions, "threads" | "startThread">;
}

/** Opens a backend with `model` loaded. Rejects with a DeviceError that says what to change. */
export async function openBackend(model: ModelFile, options: OpenOptions): Promise<Backend> {
  const { device, cpu, ...common } = options;
  const isWebgpu = device === "webgpu" || (device === "auto" && await hasHardwareAdapter());
  return isWebgpu
    ? await openWebgpuBackend(model, common)
    : await openCpuBackend(model, { ...common, ...cpu });
}
