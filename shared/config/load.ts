/** Reads the environment once, at start, and fails closed with a sentence that says what to change. */

import { REDACTED, redactText } from "../telemetry/log/redact.ts";
import { type Settings, VARIABLES } from "./variables.ts";

/** One or more variables are wrong. The message has a line for each. */
export class ConfigError extends Error {
  override name = "ConfigError";
}

/** Parses `env` (such as `Deno.env.toObject()`). Throws a ConfigError that names every wrong variable. */
export function loadSettings(env: Readonly<Record<string, string>>): Settings {
  const settings: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, variable] of Object.entries(VARIABLES)) {
    const result = variable.schema.safeParse(env[name]);
    if (result.success) {
      settings[name] = result.data;
    } else {
      const shown = variable.isSecret ? REDACTED : redactText(env[name] ?? "");
      problems.push(
        `Cannot use ${name}="${shown}": ${result.error.issues[0]?.message ?? "invalid value"}`,
      );
    }
  }
  if (problems.length === 0) problems.push(...crossProblems(settings as unknown as Settings));
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  return Object.freeze(settings) as unknown as Settings;
}

function crossProblems(settings: Settings): string[] {
  const { OTEL_BSP_MAX_EXPORT_BATCH_SIZE: batch, OTEL_BSP_MAX_QUEUE_SIZE: queue } = settings;
  return batch === undefined || batch <= queue ? [] : [
    `Cannot use OTEL_BSP_MAX_EXPORT_BATCH_SIZE=${batch}: ` +
    `it must not exceed OTEL_BSP_MAX_QUEUE_SIZE (${queue})`,
  ];
}

/** Whether logs are JSON lines, also where other settings are wrong. */
export function isJsonlWanted(env: Readonly<Record<string, string>>): boolean {
  return VARIABLES.DYN_LOGGING_JSONL.schema.safeParse(env.DYN_LOGGING_JSONL).data ?? false;
}

/** `DYN_*` variables that are set and that no service reads: misspelt, or of another version. */
export function unknownVariables(env: Readonly<Record<string, string>>): string[] {
  return Object.keys(env).filter((name) => name.startsWith("DYN_") && !(name in VARIABLES)).sort();
}
