/** The spans that log lines tell of, each once, whatever the order and number of the files. */

import { readLogLine } from "./log_line.ts";
import type { ViewSpan } from "./span.ts";

export class SpanCollection {
  readonly #spans = new Map<string, ViewSpan>();
  readonly #brokenLines = new Map<string, number>();

  /** Takes one line of a log; returns the span that it told something new of. */
  addLine(line: string, source: string): ViewSpan | null {
    const reading = readLogLine(line, source);
    if (reading.type === "broken") {
      this.#brokenLines.set(source, (this.#brokenLines.get(source) ?? 0) + 1);
    }
    return reading.type === "span" && this.#add(reading.span) ? reading.span : null;
  }

  get spans(): readonly ViewSpan[] {
    return [...this.#spans.values()];
  }

  /** Span lines that could not be read, by the file's name. */
  get brokenLines(): ReadonlyMap<string, number> {
    return this.#brokenLines;
  }

  /** The end of a span replaces its beginning, and nothing replaces its end. */
  #add(span: ViewSpan): boolean {
    const key = `${span.traceId}-${span.spanId}`;
    const known = this.#spans.get(key);
    if (known !== undefined && (known.endUs !== null || span.endUs === null)) return false;
    this.#spans.set(key, span);
    return true;
  }
}

/** In words, what the lines that could not be read mean; null without any. */
export function brokenLinesNote(brokenLines: ReadonlyMap<string, number>): string | null {
  if (brokenLines.size === 0) return null;
  const files = [...brokenLines].map(([source, count]) => `${count} in ${source}`);
  return `Span lines that are cut off or damaged, and left out: ${files.join(", ")}`;
}
