/**
 * Lines of which there are many and that no one waits for leave together: a write costs more than
 * making the line. They wait a moment at most, and not beyond the process's end, an urgent line or a
 * full batch, so that the order stays and only a process that is killed can lose them.
 *
 * A line is encoded when it comes, and not with the batch: its parts are near then. Read again when the
 * batch leaves, they cost more than all the rest of the line.
 */

/** Takes one or more whole lines as UTF-8, valid during the call only. */
export type ByteSink = (lines: Uint8Array) => void;

const WAIT_MS = 10;
/** Bytes; near what a pipe takes in one go. */
const FULL = 32 * 1024;
/** A full batch and a long line behind it. */
const BUFFER_BYTES = 4 * FULL;
/** UTF-8 of a UTF-16 unit, at most. */
const MAX_BYTES_PER_UNIT = 3;
const ENCODER = new TextEncoder();

export class LineBatch {
  readonly #sink: ByteSink;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #used = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(sink: ByteSink) {
    this.#sink = sink;
    addEventListener("unload", () => this.flush());
  }

  /** Writes a line at once, behind those that wait. */
  write(line: string): void {
    this.#append(line);
    this.#leave();
  }

  /** Takes a line that may wait. */
  add(line: string): void {
    this.#append(line);
    if (this.#used >= FULL) return this.#leave();
    // One that runs goes on when lines left before it: a timer costs as much as making a line.
    if (this.#timer !== undefined) return;
    const timer = setTimeout(() => this.flush(), WAIT_MS);
    Deno.unrefTimer(timer);
    this.#timer = timer;
  }

  /** Writes what waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#leave();
  }

  #leave(): void {
    if (this.#used === 0) return;
    const lines = this.#buffer.subarray(0, this.#used);
    this.#used = 0;
    this.#sink(lines);
  }

  #append(line: string): void {
    const mostBytes = line.length * MAX_BYTES_PER_UNIT;
    if (mostBytes > BUFFER_BYTES - this.#used) this.#leave();
    if (mostBytes > BUFFER_BYTES) return this.#sink(ENCODER.encode(line));
    this.#used += ENCODER.encodeInto(line, this.#buffer.subarray(this.#used)).written;
  }
}
