/** Chromium for the tests of the page. */

import { type Browser, chromium } from "playwright-core";

/** Names the program; without it the usual places are looked at. */
export const BROWSER_VARIABLE = "CHROMIUM_PATH";

const PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

/** The program of a browser; null where none is installed. */
export function findChromium(env: Readonly<Record<string, string>>): string | null {
  const given = env[BROWSER_VARIABLE];
  return (given ? [given] : PLACES).find(isFile) ?? null;
}

/** It takes a second or two, and many times that where all cores are busy. */
const LAUNCH_TIMEOUT_MS = 120_000;

/** A browser without a window. Chromium has no sandbox for root. */
export function launchChromium(executablePath: string): Promise<Browser> {
  const isRoot = Deno.build.os !== "windows" && Deno.uid() === 0;
  return chromium.launch({
    executablePath,
    chromiumSandbox: !isRoot,
    timeout: LAUNCH_TIMEOUT_MS,
  });
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
