/** Where packages and models come from: the public registries, or the mirrors a user has set. */

import { isFile } from "./atomic_file.ts";

export interface Registries {
  /** Base URL of the npm registry, without a slash at its end. */
  readonly npm: string;
  /** Base URLs by npm scope, such as `@sparticuz`. */
  readonly npmScopes: Readonly<Record<string, string>>;
  /** Base URL of the Simple API of PyPI, without a slash at its end. */
  readonly pypi: string;
  /** Base URL of the model hub, without a slash at its end. */
  readonly hub: string;
  /** Sent to the hub only; needed for gated models. */
  readonly hubToken?: string;
}

export const PUBLIC_REGISTRIES: Registries = {
  npm: "https://registry.npmjs.org",
  npmScopes: {},
  pypi: "https://pypi.org/simple",
  hub: "https://huggingface.co",
};

export interface RegistrySources {
  /** The environment: npm_config_registry, PIP_INDEX_URL, HF_ENDPOINT and HF_TOKEN are read. */
  readonly env: Readonly<Record<string, string>>;
  /** Texts of .npmrc files, the strongest first. */
  readonly npmrc?: readonly string[];
}

/**
 * The user's registries; the environment is stronger than .npmrc.
 * Throws an Error that names the setting when one is no http(s) URL.
 */
export function registriesOf(sources: RegistrySources): Registries {
  const { env } = sources;
  const npmrc: Record<string, string> = {};
  for (const text of [...sources.npmrc ?? []].reverse()) {
    Object.assign(npmrc, parseNpmrc(text, env));
  }
  const npmScopes: Record<string, string> = {};
  for (const [key, value] of Object.entries(npmrc)) {
    const scope = /^(@[^:]+):registry$/.exec(key)?.[1];
    if (scope !== undefined) npmScopes[scope] = baseUrl(value, `${key} of .npmrc`);
  }
  const npm = env.npm_config_registry || env.NPM_CONFIG_REGISTRY || npmrc.registry;
  return {
    npm: npm ? baseUrl(npm, "the npm registry setting") : PUBLIC_REGISTRIES.npm,
    npmScopes,
    pypi: env.PIP_INDEX_URL ? baseUrl(env.PIP_INDEX_URL, "PIP_INDEX_URL") : PUBLIC_REGISTRIES.pypi,
    hub: env.HF_ENDPOINT ? baseUrl(env.HF_ENDPOINT, "HF_ENDPOINT") : PUBLIC_REGISTRIES.hub,
    hubToken: env.HF_TOKEN || undefined,
  };
}

/** The user's registries, with the .npmrc of the user's home or of NPM_CONFIG_USERCONFIG. */
export async function readRegistries(env: Readonly<Record<string, string>>): Promise<Registries> {
  const home = env.HOME ?? env.USERPROFILE;
  const path = env.npm_config_userconfig ?? env.NPM_CONFIG_USERCONFIG ??
    (home === undefined ? undefined : `${home}/.npmrc`);
  if (path === undefined || !await isFile(path)) return registriesOf({ env });
  return registriesOf({ env, npmrc: [await Deno.readTextFile(path)] });
}

/** `key=value` lines with `;` and `#` comments and `${NAME}` from the environment. */
function parseNpmrc(
  text: string,
  env: Readonly<Record<string, string>>,
): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*([^;#=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) continue;
    const value = match[2].replace(/^"(.*)"$/, "$1");
    settings[match[1]] = value.replace(/\$\{([^}]+)\}/g, (whole, name) => env[name] ?? whole);
  }
  return settings;
}

function baseUrl(text: string, what: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new Error(`Cannot use ${what}: it is no http:// or https:// URL`);
  }
  return text.replace(/\/+$/, "");
}
