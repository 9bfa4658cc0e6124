import { assertEquals, assertStringIncludes } from "@std/assert/mod.js";
import { ensureBrowser } from "./ensure_browser.ts";

interface Machine {
  readonly isRoot: boolean;
  readonly env?: Record<string, string>;
  /** Whether installing helps. */
  readonly isOffered?: boolean;
}

async function ensureOn({ isRoot, env = {}, isOffered = false }: Machine) {
  const commands: string[] = [];
  const lines: string[] = [];
  let isInstalled = false;
  const path = await ensureBrowser({
    env,
    isRoot,
    say: (line) => lines.push(line),
    find: () => isInstalled ? "/usr/bin/chromium" : null,
    run: (command) => {
      commands.push(command.join(" "));
      if (command.includes("install")) isInstalled = isOffered;
      return Promise.resolve({ code: 0, stdout: "", stderr: "" });
    },
  });
  return { path, commands, lines: lines.join("\n") };
}

Deno.test("ensureBrowser installs Chromium for root, and says so before", async () => {
  const { path, commands, lines } = await ensureOn({ isRoot: true, isOffered: true });
  assertEquals(path, "/usr/bin/chromium");
  assertStringIncludes(commands.at(-1) ?? "", "install -y --no-install-recommends chromium");
  assertStringIncludes(lines, "Installing it");
});

Deno.test("ensureBrowser changes nothing as another user, and says what is skipped", async () => {
  const { path, commands, lines } = await ensureOn({ isRoot: false });
  assertEquals([path, commands], [null, []]);
  assertStringIncludes(lines, "skipped; install it, or set CHROMIUM_PATH");
});

Deno.test("ensureBrowser installs nothing where a browser is named", async () => {
  const { path, commands, lines } = await ensureOn({ isRoot: true, env: { CHROMIUM_PATH: "/x" } });
  assertEquals([path, commands], [null, []]);
  assertStringIncludes(lines, "CHROMIUM_PATH names no file");
});
