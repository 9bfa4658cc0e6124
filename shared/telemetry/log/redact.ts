/**
 * Hides secrets in what leaves the process for people to read: log lines, spans, dumps.
 *
 * Two rules. What a name calls a secret is hidden whatever it looks like (`redact_names.ts`), and what
 * looks like a secret is hidden wherever it stands: by its shape (`redact_shapes.ts`), by what a sentence,
 * a header or a command tells of it (`redact_sentences.ts`), or by the name it is given to
 * (`redact_assignments.ts`). Numbers and booleans are never secrets. Most text holds none, which a
 * fast look tells (`redact_scan.ts`).
 */

import { hideAssignments } from "./redact_assignments.ts";
import { isSecretName } from "./redact_names.ts";
import { mayHoldSecret } from "./redact_scan.ts";
import { hideTold } from "./redact_sentences.ts";
import { hideShapes, REDACTED } from "./redact_shapes.ts";
import { isListedValue } from "./redact_values.ts";

export { isSecretName, REDACTED };

/** Names of models, hosts and the like come again with every request: the closer look costs microseconds. */
const knownHarmless = new Set<string>();
const MAX_KNOWN = 1000;
const MAX_KNOWN_LENGTH = 128;

/** The id of an answer: every request has another, and no key looks like it. */
const ANSWER_ID = /^(?:chat)?cmpl-[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;

/** The text with every secret in it replaced. */
export function redactText(text: string): string {
  if (!mayHoldSecret(text) || ANSWER_ID.test(text) || knownHarmless.has(text)) return text;
  const shown = hideEverySecret(text);
  if (shown === text && text.length <= MAX_KNOWN_LENGTH) {
    if (knownHarmless.size === MAX_KNOWN) knownHarmless.clear();
    knownHarmless.add(text);
  }
  return shown;
}

/** Escapes of JSON: what follows begins a word, though a letter stands before it. */
const ESCAPE = /\\(?:[nrt]|u[0-9a-fA-F]{4})(?=[^\s\\])/g;
/** No character: stands between an escape and its word while the text is looked at. */
const MARK = "\uffff";

/** The same without the fast look. */
export function hideEverySecret(text: string): string {
  const marked = text.includes(MARK) ? text : text.replace(ESCAPE, `$&${MARK}`);
  const shown = hideAssignments(hideTold(hideShapes(marked)));
  return marked === text ? shown : shown.replaceAll(MARK, "");
}

/** The value to show under `key`: strings, and strings inside of lists and objects, without secrets. */
export function redactValue<T>(key: string, value: T): T {
  if (typeof value === "string") {
    if (value !== "" && isSecretName(key)) return REDACTED as T & string;
    return redactText(value) as T & string;
  }
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    return value.map((item, at) => redactItem(key, item, value[at - 1])) as T & unknown[];
  }
  const fields = value as Record<string, unknown>;
  return (isSecretName(key) ? redactAll(key, fields) : redactFields(fields)) as T & object;
}

/** What lies below the name of a secret is its parts: the texts in it are hidden under any key. */
function redactAll(key: string, fields: Readonly<Record<string, unknown>>): object {
  const shown = Object.entries(fields).map(([name, value]) => [name, redactValue(key, value)]);
  return Object.fromEntries(shown);
}

/** An item of a list that may have names and values side by side, as one of headers does. */
function redactItem(key: string, item: unknown, before: unknown): unknown {
  const isNamed = typeof item === "string" && typeof before === "string" && isSecretName(before);
  return isNamed && isListedValue(item) ? REDACTED : redactValue(key, item);
}

/** Each value as it may be shown under its key, and a `value` under the `name` or `key` beside it. */
export function redactFields<T extends Readonly<Record<string, unknown>>>(fields: T): T {
  const shown: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) shown[key] = redactValue(key, value);
  const name = fields.name ?? fields.key;
  if (fields.value !== undefined && typeof name === "string" && isSecretName(name)) {
    shown.value = REDACTED;
  }
  return shown as T;
}

const USER_FLAGS = ["-u", "--user", "--proxy-user"];

/** A command line: also the word that follows a flag which names a secret. */
export function redactArguments(args: readonly string[]): string[] {
  return args.map((argument, at) => {
    const before = args[at - 1] ?? "";
    const isValue = before.startsWith("-") && !before.includes("=") && !argument.startsWith("-");
    if (isValue && isSecretName(before)) return REDACTED;
    const user = USER_FLAGS.includes(before) ? /^[^:/]+:(?!\/\/)/.exec(argument)?.[0] : undefined;
    return user === undefined ? redactText(argument) : user + REDACTED;
  });
}
