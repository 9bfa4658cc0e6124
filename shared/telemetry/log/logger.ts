/**
 * Loggers: a level check by one integer compare, then one line to each output.
 *
 * A line goes to its sink at once and synchronously: in order, and nothing is lost when the process
 * exits or throws. A sink that fails loses the line, never the caller.
 */

import type { LogFields, Logger } from "../telemetry.ts";
import { epochMs } from "../../clock/epoch_clock.ts";
import { LEVEL_RANK, type LogFilter, type LogLevel } from "./filter.ts";
import {
  formatLine,
  formatPrepared,
  type LineOptions,
  lineStart,
  type LogIds,
  type LogRecord,
  type PreparedFields,
} from "./line.ts";

/** Takes one or more whole lines. */
export type LogSink = (line: string) => void;

/** One of the places that lines go to. */
export interface LogOutput {
  readonly line: LineOptions;
  readonly sink: LogSink;
}

export interface LoggerOptions {
  readonly target: string;
  readonly filter: LogFilter;
  readonly outputs: readonly LogOutput[];
  /** Ids of the span that the lines belong to. */
  readonly ids?: LogIds;
}

/** Writes lines to stderr. */
export function writeToStderr(lines: Uint8Array): void {
  try {
    for (let rest = lines; rest.length > 0;) rest = rest.subarray(Deno.stderr.writeSync(rest));
  } catch {
    // stderr is closed: there is nowhere left to say so.
  }
}

/** A logger of one target, and of one span when it has ids. */
export class LineLogger implements Logger {
  readonly #options: LoggerOptions;
  readonly #rank: number;
  readonly #starts = new Map<string, string>();

  constructor(options: LoggerOptions) {
    this.#options = options;
    this.#rank = options.filter.rank(options.target);
  }

  trace(message: string, fields?: LogFields): void {
    this.write("trace", message, fields);
  }

  debug(message: string, fields?: LogFields): void {
    this.write("debug", message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.write("info", message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.write("warn", message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.write("error", message, fields);
  }

  /** Writes one record when the target's level lets it through. */
  write(level: LogLevel, message: string, fields: LogRecord["fields"] = {}): void {
    if (LEVEL_RANK[level] > this.#rank) return;
    const { target, ids, outputs } = this.#options;
    const record = { timeMs: epochMs(), level, target, message, fields, ids };
    for (const { line, sink } of outputs) sink(formatLine(record, line));
  }

  /**
   * Writes one record that is made only where the level lets it through. `message` is one of few: how
   * its line starts is remembered.
   */
  writePrepared(level: LogLevel, message: string, prepared: PreparedFields): void {
    if (LEVEL_RANK[level] > this.#rank) return;
    const { target, outputs } = this.#options;
    const timeMs = epochMs();
    let json: string | null = null;
    for (const { line, sink } of outputs) {
      if (line.isJsonl) {
        json ??= prepared.json();
        sink(formatPrepared(timeMs, this.#start(level, message) + json, line.useLocalTz));
      } else {
        const { ids } = prepared;
        sink(formatLine({ timeMs, level, target, message, ids, fields: prepared.fields() }, line));
      }
    }
  }

  #start(level: LogLevel, message: string): string {
    let start = this.#starts.get(message);
    if (start === undefined) {
      start = lineStart({ level, target: this.#options.target, message });
      this.#starts.set(message, start);
    }
    return start;
  }

  /** The same logger under another target. */
  withTarget(target: string): LineLogger {
    return new LineLogger({ ...this.#options, target });
  }

  /** The same logger for the lines of a span. */
  withIds(ids: LogIds): LineLogger {
    return new LineLogger({ ...this.#options, ids });
  }
}
