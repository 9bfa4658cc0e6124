/** What the tests of a tier find in their environment: a nats-server, an adapter's driver, a browser. */

import { cacheDirectory, readRegistries } from "../../shared/download/mod.ts";
import { ensureNatsServer, ensureVulkan } from "../../shared/provision/mod.ts";
import { BROWSER_VARIABLE } from "../kit/browser.ts";
import { ensureBrowser } from "./ensure_browser.ts";
import type { Tier } from "./tiers.ts";

/** Names the nats-server that bus and e2e tests start. */
export const NATS_SERVER_VARIABLE = "BATON_NATS_SERVER";

/** Provisions what the tiers need; throws a ProvisionError that says what to install. */
export async function testEnvironment(
  tiers: readonly Tier[],
  say: (line: string) => void,
): Promise<Record<string, string>> {
  const { os, arch } = Deno.build;
  const env = Deno.env.toObject();
  const machine = {
    os,
    arch,
    env,
    isRoot: os !== "windows" && Deno.uid() === 0,
    cacheDir: cacheDirectory({ os, env, override: env.DYN_CACHE_DIR }),
    registries: await readRegistries(env),
  };
  const additions: Record<string, string> = {};
  if (tiers.some((tier) => tier.needsNats) && !env[NATS_SERVER_VARIABLE]) {
    const server = await ensureNatsServer(machine);
    say(`nats-server ${server.version}: ${server.path}`);
    additions[NATS_SERVER_VARIABLE] = server.path;
  }
  if (tiers.some((tier) => tier.needsAdapter)) {
    const setup = await ensureVulkan({ ...machine, canInstall: true, announce: say });
    say(`adapter: ${setup.adapter.description}`);
    Object.assign(additions, setup.env);
  }
  if (tiers.some((tier) => tier.needsBrowser)) {
    const path = await ensureBrowser({ env, isRoot: machine.isRoot, say });
    if (path !== null) additions[BROWSER_VARIABLE] = path;
  }
  return additions;
}
