/**
 * What `start` writes: messages for people on stdout, the services' lines on stderr.
 *
 * In readable mode each line of a service starts with its name. In JSONL mode the services' lines
 * pass as they are and everything else on stderr becomes a line of the same schema, so that a
 * collector can read the stream.
 */

import { bold, cyan, gray, red, yellow } from "@std/fmt/colors.js";
import { epochMs } from "../../shared/clock/epoch_clock.ts";
import { formatLine } from "../../shared/telemetry/log/line.ts";
import { redactText } from "../../shared/telemetry/log/redact.ts";

/** Something with a file descriptor's write; replaced in tests. */
export interface LineSink {
  writeSync(bytes: Uint8Array): number;
  isTerminal(): boolean;
}

export interface TerminalOptions {
  readonly stdout: LineSink;
  readonly stderr: LineSink;
  readonly isJsonl: boolean;
  /** NO_COLOR is set. */
  readonly isPlain: boolean;
  /** Epoch milliseconds. */
  readonly now?: () => number;
}

/** Something that a service printed, or that happened to it. */
interface ServiceEvent {
  readonly level: "info" | "warn";
  readonly service: string;
  readonly line: string;
}

const NAME_WIDTH = 10;

export class Terminal {
  readonly #options: TerminalOptions;
  readonly #encoder = new TextEncoder();
  /** Nobody reads them any more: what is written there costs its lines, and no service. */
  readonly #broken = new Set<LineSink>();
  /** A progress line that the next output must clear. */
  #transient = "";

  constructor(options: TerminalOptions) {
    this.#options = options;
  }

  /** True when a line can be drawn again in place. */
  get canRedraw(): boolean {
    return this.#options.stdout.isTerminal() && !this.#options.isPlain;
  }

  /** Lines for people, on stdout, without secrets. */
  say(text: string): void {
    this.#clearTransient();
    this.#write(this.#options.stdout, `${redactText(text)}\n`);
  }

  /** A line that the next call replaces; only where `canRedraw`. */
  redraw(line: string): void {
    this.#transient = line;
    this.#write(this.#options.stdout, `\r\x1b[K${line}`);
  }

  emphasise(text: string): string {
    return this.canRedraw ? bold(text) : text;
  }

  warn(line: string): void {
    this.say(this.canRedraw ? yellow(line) : line);
  }

  /** One line that a service printed. */
  relay(service: string, line: string): void {
    if (this.#options.isJsonl && line.startsWith("{")) {
      this.#clearTransient();
      this.#write(this.#options.stderr, `${line}\n`);
    } else {
      this.#event({ level: "info", service, line });
    }
  }

  /** Something that happened to a service. */
  notice(service: string, line: string): void {
    this.#event({ level: "warn", service, line });
  }

  /** A service hides secrets itself, but not in what its runtime says when it crashes. */
  #event({ level, service, line }: ServiceEvent): void {
    this.#clearTransient();
    const { stderr, isJsonl, isPlain, now = epochMs } = this.#options;
    if (isJsonl) {
      const target = `start.${service}`;
      const record = { timeMs: now(), level, target, message: line, fields: {} };
      this.#write(stderr, formatLine(record, { isJsonl, useLocalTz: false }));
      return;
    }
    const name = service.padEnd(NAME_WIDTH);
    const shown = redactText(line);
    const hasColor = stderr.isTerminal() && !isPlain;
    const prefix = hasColor ? `${cyan(name)}${gray("|")}` : `${name}|`;
    this.#write(stderr, `${prefix} ${hasColor && level === "warn" ? red(shown) : shown}\n`);
  }

  #clearTransient(): void {
    if (this.#transient === "") return;
    this.#transient = "";
    this.#write(this.#options.stdout, "\r\x1b[K");
  }

  #write(sink: LineSink, text: string): void {
    if (this.#broken.has(sink)) return;
    const bytes = this.#encoder.encode(text);
    try {
      for (let offset = 0; offset < bytes.length;) {
        offset += sink.writeSync(bytes.subarray(offset));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      this.#broken.add(sink);
    }
  }
}
