/**
 * Hides log values whose key names a secret. By the words of the key only: `api_key`, `authorization`,
 * `hf-token` are hidden, `max_tokens` and `tokenizer` are not. Numbers and booleans are never secrets.
 */

export const REDACTED = "[redacted]";

const SECRET_WORDS: ReadonlySet<string> = new Set([
  "apikey",
  "auth",
  "authorization",
  "cookie",
  "credential",
  "credentials",
  "passphrase",
  "passwd",
  "password",
  "secret",
  "token",
]);
const SECRET_PAIRS: ReadonlySet<string> = new Set(["api key", "access key", "private key"]);

/** The value to log under `key`. */
export function redactValue<T>(key: string, value: T): T | string {
  return typeof value === "string" && isSecretKey(key) ? REDACTED : value;
}

/** Keys are few and come again with every line. */
const knownKeys = new Map<string, boolean>();
const MAX_KNOWN_KEYS = 1000;

function isSecretKey(key: string): boolean {
  let isSecret = knownKeys.get(key);
  if (isSecret === undefined) {
    isSecret = hasSecretWord(key);
    if (knownKeys.size < MAX_KNOWN_KEYS) knownKeys.set(key, isSecret);
  }
  return isSecret;
}

function hasSecretWord(key: string): boolean {
  const words = key.replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase().split(/[^a-z0-9]+/);
  return words.some((word, at) =>
    SECRET_WORDS.has(word) || SECRET_PAIRS.has(`${word} ${words[at + 1] ?? ""}`)
  );
}
