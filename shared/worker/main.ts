/** Runs a worker as a process: exit codes, signals, the death of its parent. */

import { ConfigError, loadSettings } from "../config/mod.ts";
import type { Role } from "../messages/mod.ts";
import { onShutdown } from "../process/shutdown.ts";
import { exitWithParent } from "../provision/parent_watch.ts";
import { startWorker } from "./worker.ts";

/** Time after the drain for the last export and the end of the engine thread. */
const EXIT_MARGIN_MS = 5_000;

/** Runs until a signal or a failure, then exits the process: 0 drained, 1 failed, 2 wrong settings. */
export async function runWorker(role: Role): Promise<never> {
  const env = Deno.env.toObject();
  try {
    const drainTimeMs = loadSettings(env).DYN_GRACEFUL_SHUTDOWN_TIMEOUT_MS;
    exitWithParent({ args: Deno.args, drainTimeMs: drainTimeMs + EXIT_MARGIN_MS });
    const shutdown = onShutdown();
    const started = await Promise.race([startWorker(role, env), shutdown]);
    if (typeof started === "string") Deno.exit(0);
    const ending = await Promise.race([started.failed, shutdown]);
    await started.drain(drainTimeMs);
    if (ending instanceof Error) throw ending;
    Deno.exit(0);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    await Deno.stderr.write(new TextEncoder().encode(`baton-${role}: ${message}\n`));
    Deno.exit(error instanceof ConfigError ? 2 : 1);
  }
}
