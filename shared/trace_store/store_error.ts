/** Why the store cannot take or give spans now. */
export type StoreFailure = "full" | "corrupt" | "unavailable";

/** The store cannot do it now, and later it may. The message says what to do. */
export class StoreError extends Error {
  override name = "StoreError";
  readonly failure: StoreFailure;

  constructor(failure: StoreFailure, message: string) {
    super(message);
    this.failure = failure;
  }
}

/** SQLite's primary result codes that need an answer of their own, and its words for them. */
const FULL = { codes: [13], words: ["database or disk is full"] };
const BROKEN = {
  codes: [11, 26],
  words: ["database disk image is malformed", "file is not a database"],
};

/** Errors of `exec` carry no code: the words are SQLite's own, which are fixed. */
function isOneOf(
  error: unknown,
  { codes, words }: { readonly codes: readonly number[]; readonly words: readonly string[] },
): boolean {
  if (!(error instanceof Error)) return false;
  const code = "errcode" in error ? error.errcode : undefined;
  // Extended codes have the primary one in their low byte.
  if (typeof code === "number") return codes.includes(code & 255);
  return words.some((text) => error.message.includes(text));
}

export function isFull(error: unknown): boolean {
  return isOneOf(error, FULL);
}

/** The file is no database, or one with broken pages. */
export function isCorrupt(error: unknown): boolean {
  return isOneOf(error, BROKEN);
}
