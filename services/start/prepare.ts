/** Gets what a start needs: a NATS server, an adapter, the model. Each failure is one sentence. */

import { format } from "@std/fmt/bytes.js";
import type { Settings } from "../../shared/config/mod.ts";
import { type Progress, readRegistries, type Registries } from "../../shared/download/mod.ts";
import { cacheDirectory } from "../../shared/download/mod.ts";
import {
  ensureNatsServer,
  ensureVulkan,
  ProvisionError,
  type VulkanSetup,
} from "../../shared/provision/mod.ts";
import { type ResolvedModel, resolveModel } from "../../shared/weights/sources/mod.ts";

/** What is known of this machine and its user before anything is looked for. */
export interface Machine {
  readonly os: typeof Deno.build.os;
  readonly arch: typeof Deno.build.arch;
  readonly env: Readonly<Record<string, string>>;
  readonly isRoot: boolean;
  readonly cacheDir: string;
  readonly registries: Registries;
}

/** Reads the machine; throws an Error when the environment is wrong. */
export async function readMachine(
  env: Readonly<Record<string, string>>,
  settings: Settings,
): Promise<Machine> {
  const { os, arch } = Deno.build;
  return {
    os,
    arch,
    env,
    isRoot: os !== "windows" && Deno.uid() === 0,
    cacheDir: cacheDirectory({ os, env, override: settings.DYN_CACHE_DIR }),
    registries: await readRegistries(env),
  };
}

export interface PrepareOptions {
  readonly model: string;
  /** False where NATS_URL names a server. */
  readonly needsNatsServer: boolean;
  readonly workerCount: number;
  readonly canInstall: boolean;
  readonly say: (line: string) => void;
  readonly onProgress: (progress: Progress) => void;
  readonly signal: AbortSignal;
}

export interface Prepared {
  /** The program to run; absent where NATS_URL names a server. */
  readonly natsProgram?: string;
  readonly vulkan: VulkanSetup;
  readonly model: ResolvedModel;
}

/** Throws a ProvisionError, DownloadError or ModelSourceError that says what to do. */
export async function prepare(machine: Machine, options: PrepareOptions): Promise<Prepared> {
  const { cacheDir, registries, os, arch, env, isRoot } = machine;
  const { onProgress, signal } = options;
  const cache = { cacheDir, registries, onProgress, signal };
  const nats = options.needsNatsServer ? await ensureNatsServer({ ...cache, os, arch }) : undefined;
  const vulkan = await ensureVulkan({
    ...cache,
    os,
    arch,
    env,
    isRoot,
    canInstall: options.canInstall,
    announce: options.say,
  });
  const model = await resolveModel(options.model, cache);
  const { size } = await Deno.stat(model.path);
  checkMemory({
    fileBytes: size,
    availableBytes: Deno.systemMemoryInfo().available,
    workerCount: options.workerCount,
    isSoftware: vulkan.adapter.isSoftware,
  });
  return { natsProgram: nats?.path, vulkan, model };
}

/** Beside its copy of the weights a worker holds the KV cache, tables and the runtime. */
const WORKER_OVERHEAD_BYTES = 300 * 1024 * 1024;

export interface MemoryNeed {
  readonly fileBytes: number;
  readonly availableBytes: number;
  readonly workerCount: number;
  readonly isSoftware: boolean;
}

/**
 * Refuses a model whose copies cannot fit in memory. Only a software adapter shares the machine's
 * memory for sure; what a GPU holds shows when the worker loads the weights.
 */
export function checkMemory(need: MemoryNeed): void {
  if (!need.isSoftware) return;
  const neededBytes = need.workerCount * (need.fileBytes + WORKER_OVERHEAD_BYTES);
  if (neededBytes <= need.availableBytes) return;
  throw new ProvisionError(
    `Cannot run this model: ${need.workerCount} workers need about ${format(neededBytes)} of ` +
      `memory and ${format(need.availableBytes)} are free; take a smaller model with --model, ` +
      "or fewer workers with --prefill 0",
  );
}
