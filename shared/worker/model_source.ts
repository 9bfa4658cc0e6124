/** What a worker serves: the weights that DYN_MODEL names, or the simulated model, which has none. */

import { encodeHex } from "@std/encoding/hex.js";
import type { Settings } from "../config/mod.ts";
import type { EngineSource } from "../engine/engine.ts";
import { simulatedModel } from "../engine/simulated/simulated_model.ts";
import { type ModelFile, SIMULATED } from "../weights/model_file.ts";
import { openGguf } from "../weights/mod.ts";
import { resolveModelFor } from "../weights/sources/mod.ts";
import { simulationOf } from "./simulation_settings.ts";

export interface FoundModel {
  readonly source: EngineSource;
  readonly name: string;
  /** Equal ones generate equal text and have equal KV. */
  readonly digest: string;
  /** Opens the file for the card; the engine opens its own. */
  readonly openFile: () => Promise<ModelFile>;
}

/** Finds or fetches the model. Throws an error that says what to change. */
export async function findModel(
  settings: Settings,
  env: Readonly<Record<string, string>>,
): Promise<FoundModel> {
  if (settings.DYN_ENGINE === "simulated") return await findSimulated(settings);
  const { path, name, digest } = await resolveModelFor(settings.DYN_MODEL, {
    env,
    knownDigest: settings.DYN_MODEL_DIGEST || undefined,
  });
  const { DYN_DEVICE: device, DYN_CPU_THREADS: cpuThreads } = settings;
  return {
    source: { device, modelPath: path, cpuThreads },
    name,
    digest,
    openFile: () => openGguf(path),
  };
}

async function findSimulated(settings: Settings): Promise<FoundModel> {
  const simulation = simulationOf(settings);
  const file = simulatedModel(simulation);
  const identity = JSON.stringify([SIMULATED, file.shape, simulation.answerTokens]);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(identity));
  return {
    source: { device: "simulated", simulation },
    name: SIMULATED,
    digest: encodeHex(new Uint8Array(digest)),
    openFile: () => Promise.resolve(file),
  };
}
