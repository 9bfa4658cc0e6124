/** What every service process does around its own work: settings, telemetry, signals, exit codes. */

import { epochMs } from "../clock/epoch_clock.ts";
import { ConfigError, isJsonlWanted, loadSettings, unknownVariables } from "../config/load.ts";
import { redactedSettings } from "../config/shown_settings.ts";
import { telemetryOptions } from "../config/telemetry_options.ts";
import type { Service, Settings } from "../config/variables.ts";
import { exitWithParent } from "../provision/parent_watch.ts";
import { formatLine, redactText, writeToStderr } from "../telemetry/log/mod.ts";
import { startTelemetry, type Telemetry } from "../telemetry/mod.ts";
import { logRuntimeOutput } from "./runtime_output.ts";
import { onShutdown } from "./shutdown.ts";

/** Time after the drain for the last export and the end of threads. */
const EXIT_MARGIN_MS = 5_000;

export interface ServiceContext {
  readonly settings: Settings;
  readonly env: Readonly<Record<string, string>>;
  readonly instanceId: string;
  readonly telemetry: Telemetry;
  /** Resolves when the process is asked to stop. */
  readonly stopping: Promise<Deno.Signal>;
}

/**
 * Runs `run` until it resolves, then ends the process: 0 when it resolved, 1 when it threw, 2 when
 * the settings are wrong. Telemetry is flushed in all cases.
 */
export async function runService(
  name: Service,
  run: (context: ServiceContext) => Promise<void>,
): Promise<never> {
  const env = Deno.env.toObject();
  try {
    const settings = loadSettings(env);
    const drainTimeMs = settings.DYN_GRACEFUL_SHUTDOWN_TIMEOUT_MS;
    exitWithParent({ args: Deno.args, drainTimeMs: drainTimeMs + EXIT_MARGIN_MS });
    const stopping = onShutdown();
    const instanceId = settings.DYN_INSTANCE_ID || crypto.randomUUID();
    const telemetry = startTelemetry(telemetryOptions(settings, name, instanceId));
    logRuntimeOutput(telemetry, EXIT_MARGIN_MS);
    for (const variable of unknownVariables(env)) {
      telemetry.log.warn(`${variable} is set and no Baton service reads it`);
    }
    telemetry.log.debug("settings", redactedSettings(settings, name));
    try {
      await run({ settings, env, instanceId, telemetry, stopping });
    } finally {
      await telemetry.shutdown("drain", EXIT_MARGIN_MS);
    }
    Deno.exit(0);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const line = lastLine(`baton-${name}`, message, isJsonlWanted(env));
    writeToStderr(new TextEncoder().encode(line));
    Deno.exit(error instanceof ConfigError ? 2 : 1);
  }
}

/** Needs no telemetry: it may be the settings that are wrong. */
function lastLine(target: string, message: string, isJsonl: boolean): string {
  if (!isJsonl) return `${target}: ${redactText(message)}\n`;
  const record = { timeMs: epochMs(), level: "error", target, message, fields: {} } as const;
  return formatLine(record, { isJsonl, useLocalTz: false });
}
