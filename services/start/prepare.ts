/**
 * Gets what a start needs: a NATS server that runs, a device, the model. Each failure is one sentence.
 *
 * The three go on at the same time, but what is said and fetched for them one after the other: a device
 * that may be installed comes after the NATS server and before the model.
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
  /** Runs this nats-server program, while the rest is prepared, and gives its address. */
  readonly startNats: (program: string) => Promise<string>;
  /** Called in its place where NATS_URL names servers: resolves when one answers. */
  readonly reachNats: (url: string) => Promise<void>;
  readonly workerCount: number;
  readonly canInstall: boolean;
  readonly say: (line: string) => void;
  readonly onProgress: (progress: Progress) => void;
  readonly signal: AbortSignal;
}

export interface Prepared {
  readonly natsUrl: string;
  readonly device: ChosenDevice;
  readonly model: ResolvedModel;
}

/** Throws a ProvisionError, DownloadError, ModelSourceError or ServiceError that says what to do. */
export async function prepare(machine: Machine, options: PrepareOptions): Promise<Prepared> {
  const { cacheDir, registries, os, arch } = machine;
  const { onProgress, signal, settings } = options;
  const cache = { cacheDir, registries, onProgress, signal };
  const findingNats = settings.NATS_URL === ""
    ? ensureNatsServer({ ...cache, os, arch })
    : Promise.resolve(null);
  const startingNats = findingNats.then(async (server) => {
    if (server !== null) return await options.startNats(server.path);
    options.say(`Connecting to ${settings.NATS_URL}…`);
    await options.reachNats(settings.NATS_URL);
    return settings.NATS_URL;
  });
  if (settings.DYN_ENGINE === "simulated") {
    const model = { path: SIMULATED, name: SIMULATED, digest: "" };
    return { natsUrl: await startingNats, device: SIMULATED_DEVICE, model };
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
  const choosing = mayInstall ? findingNats.then(choose) : choose();
  const resolving = (mayInstall ? choosing : findingNats)
    .then(() => resolveModel(options.model, cache));
  const checking = Promise.all([resolving, choosing]).then(([model, device]) =>
    checkModel(model, { device, settings, workerCount: options.workerCount })
  );
  const [natsUrl, device, model] = await Promise.all([startingNats, choosing, resolving, checking]);
  return { natsUrl, device, model };
}

interface ModelUse {
  readonly device: ChosenDevice;
  readonly settings: Settings;
  readonly workerCount: number;
}

/** Throws where the file is none that workers can use, or they do not fit in memory. */
async function checkModel(
  model: ResolvedModel,
  { device, settings, workerCount }: ModelUse,
): Promise<void> {
  await using file = await openGguf(model.path, { skipTextLists: true });
  checkMemory({
    modelBytes: modelBytes(file, kvCacheTokens(settings, file.shape.contextLength)),
    availableBytes: Deno.systemMemoryInfo().available,
    workerCount,
    isSoftware: device.isSoftware,
  });
}
