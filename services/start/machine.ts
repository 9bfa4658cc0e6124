/** What a start works with: this machine, its user and what they set. */

import type { Settings } from "../../shared/config/mod.ts";
import { cacheDirectory, readRegistries, type Registries } from "../../shared/download/mod.ts";

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
