/** Settings as they may be shown: secrets hidden, with where each value came from. */

import { REDACTED, redactFields, redactText, redactValue } from "../telemetry/log/redact.ts";
import { type Service, type Settings, type VariableName, VARIABLES } from "./variables.ts";

export type ShownValue = string | number | boolean | null;

export interface ShownVariable {
  readonly name: VariableName;
  /** Null where nothing is set and there is no fixed default. */
  readonly value: ShownValue;
  readonly source: "environment" | "default";
  readonly services: readonly Service[];
  /** What is wrong with the value of the environment, which is then shown as it stands. */
  readonly problem?: string;
}

/** Every variable as `env` has it, also where some are wrong. */
export function shownVariables(env: Readonly<Record<string, string>>): ShownVariable[] {
  return variableNames().map((name) => {
    const { schema, services, isSecret } = VARIABLES[name];
    const result = schema.safeParse(env[name]);
    const source = (env[name] ?? "").trim() === "" ? "default" : "environment";
    if (result.success) return { name, value: shownValue(name, result.data), source, services };
    return {
      name,
      value: isSecret ? REDACTED : redactText(env[name] ?? ""),
      source,
      services,
      problem: result.error.issues[0]?.message ?? "invalid value",
    };
  });
}

/** The settings of one service as flat fields of a log line. */
export function redactedSettings(
  settings: Settings,
  service: Service,
): Record<string, ShownValue> {
  return Object.fromEntries(
    variableNames().filter((name) => VARIABLES[name].services.includes(service))
      .map((name) => [name, shownValue(name, settings[name])]),
  );
}

function variableNames(): VariableName[] {
  return Object.keys(VARIABLES) as VariableName[];
}

function shownValue(name: VariableName, value: unknown): ShownValue {
  if (value === undefined || value === null) return null;
  if (typeof value === "number" || typeof value === "boolean") return value;
  const isSecret = VARIABLES[name].isSecret === true;
  if (typeof value === "string") return isSecret ? shownSecret(value) : redactValue(name, value);
  const fields = isSecret
    ? Object.fromEntries(Object.keys(value).map((key) => [key, REDACTED]))
    : redactFields(value as Record<string, unknown>);
  return JSON.stringify(Array.isArray(value) ? value : fields);
}

/** A list of URLs keeps all but its credentials. */
function shownSecret(text: string): string {
  const areUrls = text.split(",").every((part) => URL.canParse(part));
  return text === "" || areUrls ? redactText(text) : REDACTED;
}
