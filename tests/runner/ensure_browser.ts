import type { RunCommand } from "../../shared/provision/mod.ts";
import { runCommand } from "../../shared/provision/run_command.ts";
import { BROWSER_VARIABLE, findChromium } from "../kit/browser.ts";

const INSTALL = ["apt-get", "install", "-y", "--no-install-recommends", "chromium"];

export interface EnsureBrowserOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly isRoot: boolean;
  readonly say: (line: string) => void;
  /** Replaced in tests. */
  readonly run?: RunCommand;
  readonly find?: typeof findChromium;
}

/** Finds Chromium, or installs it where apt and root are at hand; says so when there is none. */
export async function ensureBrowser(options: EnsureBrowserOptions): Promise<string | null> {
  const { env, isRoot, say, run = runCommand, find = findChromium } = options;
  const present = find(env);
  if (present !== null) return present;
  const isNamed = Boolean(env[BROWSER_VARIABLE]);
  if (isRoot && !isNamed && await run(["apt-get", "--version"]) !== undefined) {
    say(`No Chromium here. Installing it: ${INSTALL.join(" ")}`);
    await run(INSTALL);
    const installed = find(env);
    if (installed !== null) return installed;
  }
  say(
    isNamed
      ? `${BROWSER_VARIABLE} names no file: the tests of the page are skipped`
      : `No Chromium: the tests of the page are skipped; install it, or set ${BROWSER_VARIABLE}`,
  );
  return null;
}
