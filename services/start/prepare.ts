/**
 * Gets what a start needs: a NATS server, a device, the model. Each failure is one sentence.
 *
 * A device that is only looked for, by a process of its own, is looked for meanwhile; one that may be
 * installed comes before the model, so that what is said of both does not mix.
 */

import type { Settings } from "../../shared/config/mod.ts";
import type { Progress } from "../../shared/download/mod.ts";
import { ensureNatsServer } from "../../shared/provision/mod.ts";
import { SIMULATED } from "../../shared/weights/model_file.ts";
import { openGguf } from "../../shared/weights/mod.ts";
import { type ResolvedModel, resolveModel } from "../../shared/weights/sources/mod.ts";
import { kvCacheTokens } from "../../shared/worker/engine_settings.ts";
import { chooseDevice, type ChosenDevice, SIMULATED_DEVICE } from "./device.ts";
import type { Machine } from "./machine.ts";
import { checkMemory, modelBytes } from "./memory_need.ts";

export interface PrepareOptions {
  readonly model: string;
  readonly settings: Settings;
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
  readonly device: ChosenDevice;
  readonly model: ResolvedModel;
}

/** Throws a ProvisionError, DownloadError or ModelSourceError that says what to do. */
export async function prepare(machine: Machine, options: PrepareOptions): Promise<Prepared> {
  const { cacheDir, registries, os, arch } = machine;
  const { onProgress, signal, settings } = options;
  const cache = { cacheDir, registries, onProgress, signal };
  const findNats = async () =>
    options.needsNatsServer ? (await ensureNatsServer({ ...cache, os, arch })).path : undefined;
  if (settings.DYN_ENGINE === "simulated") {
    const model = { path: SIMULATED, name: SIMULATED, digest: "" };
    return { natsProgram: await findNats(), device: SIMULATED_DEVICE, model };
  }
  const choose = () =>
    chooseDevice(machine, {
      wanted: settings.DYN_DEVICE,
      canInstall: options.canInstall,
      announce: options.say,
      onProgress,
      signal,
    });
  const mayInstall = settings.DYN_DEVICE === "webgpu";
  const findingNats = findNats();
  const choosing = mayInstall ? findingNats.then(choose) : choose();
  const resolving = (mayInstall ? choosing : findingNats)
    .then(() => resolveModel(options.model, cache));
  const [natsProgram, device, model] = await Promise.all([findingNats, choosing, resolving]);
  await using file = await openGguf(model.path, { skipTextLists: true });
  checkMemory({
    modelBytes: modelBytes(file, kvCacheTokens(settings, file.shape.contextLength)),
    availableBytes: Deno.systemMemoryInfo().available,
    workerCount: options.workerCount,
    isSoftware: device.isSoftware,
  });
  return { natsProgram, device, model };
}
