/** Colours of the terminal, as functions, so that the same code writes plain text. */

export type Style = "bold" | "dim" | "red" | "yellow" | "green" | "blue" | "magenta" | "cyan";

/** Text in a style; the same text where there are no colours. */
export type Paint = (text: string, ...styles: readonly Style[]) => string;

const CODES: Readonly<Record<Style, number>> = {
  bold: 1,
  dim: 2,
  red: 31,
  green: 32,
  yellow: 33,
  blue: 34,
  magenta: 35,
  cyan: 36,
};

export const paintPlain: Paint = (text) => text;

export const paintAnsi: Paint = (text, ...styles) =>
  styles.length === 0 || text === ""
    ? text
    : `\x1b[${styles.map((style) => CODES[style]).join(";")}m${text}\x1b[0m`;

const SERVICE_STYLES: readonly Style[] = ["cyan", "green", "magenta", "blue", "yellow"];

/** A style for each service, in the order in which they are named. */
export function serviceStyles(services: readonly string[]): ReadonlyMap<string, Style> {
  const names = [...new Set(services)];
  return new Map(
    names.map((name, index) => [name, SERVICE_STYLES[index % SERVICE_STYLES.length] ?? "cyan"]),
  );
}
