/** What the workers of this machine compute on, and what that needs. */

import type { Settings } from "../../shared/config/mod.ts";
import type { Progress } from "../../shared/download/mod.ts";
import { cpuName } from "../../shared/engine/cpu/cpu_name.ts";
import {
  ensureVulkan,
  findVulkan,
  type RunCommand,
  type VulkanSetup,
} from "../../shared/provision/mod.ts";
import { SIMULATED } from "../../shared/weights/model_file.ts";
import type { Machine } from "./machine.ts";

export interface ChosenDevice {
  readonly backend: "webgpu" | "cpu" | "simulated";
  /** As lines for people name it. */
  readonly description: string;
  /** Whether weights and KV cache lie in the machine's own memory. */
  readonly isSoftware: boolean;
  /** To add to the environment of workers. */
  readonly env: Readonly<Record<string, string>>;
}

export interface ChooseDeviceOptions {
  readonly wanted: Settings["DYN_DEVICE"];
  readonly canInstall: boolean;
  /** Told before anything is installed or fetched. */
  readonly announce: (line: string) => void;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
  /** Replaced in tests. */
  readonly run?: RunCommand;
}

/**
 * Chooses the device that DYN_DEVICE means here. Nothing is installed unless it says `webgpu`.
 * Throws a ProvisionError with the command that would help.
 */
export async function chooseDevice(
  machine: Machine,
  { wanted, ...options }: ChooseDeviceOptions,
): Promise<ChosenDevice> {
  if (wanted === "webgpu") return webgpuDevice(await ensureVulkan({ ...machine, ...options }));
  if (wanted === "auto") {
    const found = await findVulkan({ ...machine, signal: options.signal, run: options.run });
    if (found !== null && !found.adapter.isSoftware) return webgpuDevice(found);
  }
  return {
    backend: "cpu",
    description: `${cpuName()}, ${navigator.hardwareConcurrency} cores`,
    isSoftware: true,
    env: { DYN_DEVICE: "cpu" },
  };
}

function webgpuDevice({ adapter, env }: VulkanSetup): ChosenDevice {
  const { description, isSoftware } = adapter;
  return { backend: "webgpu", description, isSoftware, env: { ...env, DYN_DEVICE: "webgpu" } };
}

/** What DYN_ENGINE=simulated runs on. */
export const SIMULATED_DEVICE: ChosenDevice = {
  backend: SIMULATED,
  description: "no device and no model: every answer is made up",
  isSoftware: true,
  env: {},
};

/** What to know about a device beside its name, and how to take another. */
export function deviceAdvice(device: ChosenDevice): string[] {
  if (device.backend === SIMULATED) {
    return ["It is for tests and measurements. Without DYN_ENGINE a model answers."];
  }
  if (device.backend === "cpu") {
    return ["No GPU is used. With a GPU and its driver, DYN_DEVICE=webgpu or auto takes it."];
  }
  return device.isSoftware
    ? ["This software driver emulates a GPU on the CPU and is slow: DYN_DEVICE=cpu is much faster."]
    : ["DYN_DEVICE=cpu computes on the CPU instead."];
}
