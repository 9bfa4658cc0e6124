/** A space at which a line may end: not the one before a unit, as in `15 %` and `2.4 ms`. */
const BREAK = / (?!(?:µs|ms|s|m|%)(?:[\s,.;:)]|$))/;

/** Breaks text between words into lines of at most `width` characters, longer words apart. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(BREAK)) {
    const last = lines.at(-1);
    if (last !== undefined && [...last].length + 1 + [...word].length <= width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else {
      lines.push(word);
    }
  }
  return lines;
}
