/** Reads the corpus of redaction: `secrets.txt` and `look_alikes.txt`, by their sections. */

/** Lines of a file by section, with `\n` as a line feed. */
export function readCorpus(name: string): ReadonlyMap<string, readonly string[]> {
  const sections = new Map<string, string[]>();
  let lines: string[] = [];
  for (const line of Deno.readTextFileSync(new URL(name, import.meta.url)).split("\n")) {
    const title = /^\[(\w+)\]$/.exec(line)?.[1];
    if (title !== undefined) sections.set(title, lines = []);
    else if (line !== "" && !line.startsWith("#")) lines.push(line.replace(/(?<!\\)\\n/g, "\n"));
  }
  return sections;
}

export interface MadeSecret {
  readonly text: string;
  /** What must not survive. */
  readonly parts: readonly string[];
}

const LOWER = "abcdefghijklmnopqrstuvwxyz";
const DIGITS = "0123456789";
const ALPHABETS: Readonly<Record<string, string>> = {
  an: LOWER.toUpperCase() + LOWER + DIGITS,
  lc: LOWER,
  up: LOWER.toUpperCase() + DIGITS,
  hex: "0123456789abcdef",
  b32: LOWER.toUpperCase() + "234567",
  b64: `${LOWER.toUpperCase()}${LOWER}${DIGITS}+/`,
  url: `${LOWER.toUpperCase()}${LOWER}${DIGITS}_-`,
  digit: DIGITS,
};

/** A template's text with its placeholders filled, the same for the same seed. */
export function makeSecret(template: string, seed: number): MadeSecret {
  const next = randomSource(seed);
  const filled = template
    .replace(/\{basic:([^}]+)\}/g, (_, text: string) => btoa(text))
    .replace(/\{(\w+):(\d+)\}/g, (_, kind: string, count: string) => {
      const alphabet = ALPHABETS[kind];
      if (alphabet === undefined) throw new Error(`Cannot make ${template}: no alphabet ${kind}`);
      return Array.from({ length: Number(count) }, () => alphabet[next() % alphabet.length]).join(
        "",
      );
    });
  const marked = [...filled.matchAll(/⟦([^⟧]*)⟧/g)].map(([, part = ""]) => part);
  const text = filled.replace(/[⟦⟧]/g, "");
  return { text, parts: marked.length === 0 ? [text] : marked };
}

/** Whole numbers, the same for the same seed. */
export function randomSource(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 8;
  };
}
