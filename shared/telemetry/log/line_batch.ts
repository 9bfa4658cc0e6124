/**
 * Lines of which there are many and that no one waits for leave together: a write costs more than
 * making the line. They wait a moment at most, and not beyond the process's end, an urgent line or a
 * full batch, so that the order stays and only a process that is killed can lose them.
 */

import type { LogSink } from "./logger.ts";

const WAIT_MS = 10;
/** Characters; near what a pipe takes in one go. */
const FULL = 32 * 1024;

export class LineBatch {
  readonly #sink: LogSink;
  #lines = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(sink: LogSink) {
    this.#sink = sink;
    addEventListener("unload", () => this.flush());
  }

  /** Writes a line at once, behind those that wait. */
  write(line: string): void {
    this.#lines += line;
    this.flush();
  }

  /** Takes a line that may wait. */
  add(line: string): void {
    this.#lines += line;
    if (this.#lines.length >= FULL) return this.flush();
    if (this.#timer !== undefined) return;
    const timer = setTimeout(() => this.flush(), WAIT_MS);
    Deno.unrefTimer(timer);
    this.#timer = timer;
  }

  /** Writes what waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#lines === "") return;
    const lines = this.#lines;
    this.#lines = "";
    this.#sink(lines);
  }
}
