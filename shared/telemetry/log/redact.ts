/**
 * Hides secrets in what leaves the process for people to read: log lines, spans, dumps.
 *
 * Two rules. What a name calls a secret is hidden whatever it looks like (`redact_names.ts`), and what
 * looks like a secret is hidden wherever it stands (`redact_shapes.ts`, `redact_assignments.ts`).
 * Numbers and booleans are never secrets. Most text holds none, which a fast look tells
 * (`redact_scan.ts`).
 */

import { hideAssignments } from "./redact_assignments.ts";
import { isSecretName } from "./redact_names.ts";
import { mayHoldSecret } from "./redact_scan.ts";
import { hideShapes, REDACTED } from "./redact_shapes.ts";

export { isSecretName, REDACTED };

/** The text with every secret in it replaced. */
export function redactText(text: string): string {
  return mayHoldSecret(text) ? hideAssignments(hideShapes(text)) : text;
}

/** The value to show under `key`: strings, and strings inside of lists and objects, without secrets. */
export function redactValue<T>(key: string, value: T): T {
  if (typeof value === "string") {
    if (value !== "" && isSecretName(key)) return REDACTED as T & string;
    return redactText(value) as T & string;
  }
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => redactValue(key, item)) as T & unknown[];
  return redactFields(value as Record<string, unknown>) as T & object;
}

/** Each value as it may be shown under its key. */
export function redactFields<T extends Readonly<Record<string, unknown>>>(fields: T): T {
  const shown: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) shown[key] = redactValue(key, value);
  return shown as T;
}

/** A command line: also the word that follows a flag which names a secret. */
export function redactArguments(args: readonly string[]): string[] {
  return args.map((argument, at) => {
    const before = args[at - 1] ?? "";
    const isValue = before.startsWith("-") && !before.includes("=") && !argument.startsWith("-");
    return isValue && isSecretName(before) ? REDACTED : redactText(argument);
  });
}
