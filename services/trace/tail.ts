/** `deno task trace tail`: the requests of logs that grow, a line each. */

import { delay } from "@std/async/delay.js";
import { RequestTicker } from "../../shared/trace_view/request_ticker.ts";
import { SpanCollection } from "../../shared/trace_view/span_collection.ts";
import type { Paint } from "../../shared/trace_view/style.ts";
import { GrowingFile } from "./growing_file.ts";
import { linesOf, logFiles, sourceName, STANDARD_INPUT } from "./log_source.ts";

/** How soon a line is seen. Ends of one request that come further apart are still told. */
const INTERVAL_MS = 200;

export interface TailOptions {
  readonly names: readonly string[];
  readonly paint: Paint;
  readonly write: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Follows until `signal` aborts, or standard input ends. */
export async function tail(options: TailOptions): Promise<void> {
  const { names, paint, write, signal } = options;
  const ticker = new RequestTicker(paint);
  const ended = new AbortController();
  const stop = AbortSignal.any([signal, ended.signal]);
  const take = (line: string, source: string) => {
    // Each line alone: a collection for all would grow for ever.
    const span = new SpanCollection().addLine(line, source);
    const told = span === null ? null : ticker.add(span);
    if (told !== null) write(told);
  };
  const input = names.includes(STANDARD_INPUT)
    ? readInput(stop, (line) => take(line, "standard input")).finally(() => ended.abort())
    : null;
  const paths = names.filter((name) => name !== STANDARD_INPUT);
  const follower = new Follower(paths);
  try {
    while (!stop.aborted) {
      for (const { source, lines } of await follower.read()) {
        for (const line of lines) take(line, source);
      }
      ticker.flush().forEach(write);
      await delay(INTERVAL_MS, { signal: stop }).catch(() => {
        // The loop ends.
      });
    }
    await input;
    ticker.flush().forEach(write);
  } finally {
    follower.close();
  }
}

/** The files of folders and the files named, those that come later included. */
class Follower {
  readonly #names: readonly string[];
  readonly #files = new Map<string, GrowingFile>();
  #isFirstRead = true;

  constructor(names: readonly string[]) {
    this.#names = names;
  }

  /** What came since the last read. */
  async read(): Promise<{ source: string; lines: string[] }[]> {
    for (const name of this.#names) {
      for (const path of await logFiles(name)) {
        // Files that were moved away hold nothing new.
        if (this.#files.has(path) || /\.\d+\.[^.]+$/.test(path)) continue;
        this.#files.set(path, new GrowingFile(path, { fromEnd: this.#isFirstRead }));
      }
    }
    this.#isFirstRead = false;
    const read = [...this.#files.values()].map(async (file) => ({
      source: sourceName(file.path),
      lines: await file.readLines(),
    }));
    return await Promise.all(read);
  }

  close(): void {
    for (const file of this.#files.values()) file.close();
  }
}

async function readInput(signal: AbortSignal, take: (line: string) => void): Promise<void> {
  const reader = linesOf(Deno.stdin.readable).getReader();
  const cancel = () => reader.cancel().catch(() => {});
  signal.addEventListener("abort", cancel);
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    take(value);
  }
  signal.removeEventListener("abort", cancel);
}
