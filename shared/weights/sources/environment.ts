/** resolveModel with the cache directory and the registries that a process's environment names. */

import { cacheDirectory, readRegistries } from "../../download/mod.ts";
import { type ResolvedModel, resolveModel, type ResolveModelOptions } from "./resolve_model.ts";

export interface EnvironmentModelOptions
  extends Omit<ResolveModelOptions, "cacheDir" | "registries"> {
  /** The environment, such as `Deno.env.toObject()`. */
  readonly env: Readonly<Record<string, string>>;
}

/** Finds or fetches the model that `spec` names. Throws as resolveModel does. */
export async function resolveModelFor(
  spec: string,
  { env, ...options }: EnvironmentModelOptions,
): Promise<ResolvedModel> {
  const cacheDir = cacheDirectory({ os: Deno.build.os, env, override: env.DYN_CACHE_DIR });
  return await resolveModel(spec, { ...options, cacheDir, registries: await readRegistries(env) });
}
