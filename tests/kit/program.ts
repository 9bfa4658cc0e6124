/**
 * Programs as processes beside a test: each wait for one ends by itself, and then tells all that the
 * program has said.
 */

import { fromFileUrl } from "@std/path/mod.js";
import { TextLineStream } from "@std/streams/mod.js";
import { within } from "./waits.ts";

const ROOT = new URL("../../", import.meta.url);
const END_TIMEOUT_MS = 120_000;

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** What standard input holds; "open" for a pipe that stays open until `closeInput`. */
  readonly input?: Uint8Array<ArrayBuffer> | "open";
}

/** What a program that has ended left. */
export interface Ended {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

/** The command that runs a script of this repository, given by its path from the root. */
export function denoRun(script: string, ...args: readonly string[]): string[] {
  return [Deno.execPath(), "run", "-A", fromFileUrl(new URL(script, ROOT)), ...args];
}

/** Runs a program to its end. */
export async function runProgram(
  command: readonly string[],
  options: ProgramOptions = {},
): Promise<Ended> {
  await using program = new Program(command, options);
  return await program.end();
}

export class Program implements AsyncDisposable {
  /** All of standard output so far. */
  output = "";
  /** All lines of standard error so far. */
  readonly errorLines: string[] = [];
  readonly #name: string;
  readonly #process: Deno.ChildProcess;
  readonly #changes = new EventTarget();
  /** Ends with the last process that has its standard output or error. */
  readonly #silence: Promise<unknown>;
  #isSilent = false;
  #hasEnded = false;

  constructor(command: readonly string[], { env, input }: ProgramOptions = {}) {
    const [program = "", ...args] = command;
    this.#name = command.join(" ");
    this.#process = new Deno.Command(program, {
      args,
      env: { NO_COLOR: "1", ...env },
      stdin: input === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#process.status.then(() => this.#hasEnded = true);
    this.#silence = Promise.all([this.#readOutput(), this.#readErrors()]).then(() => {
      this.#isSilent = true;
      this.#change();
    });
    if (input instanceof Uint8Array) void this.#write(input);
  }

  get pid(): number {
    return this.#process.pid;
  }

  get errors(): string {
    return this.errorLines.map((line) => `${line}\n`).join("");
  }

  /** The first match in standard output. */
  waitForOutput(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray> {
    return this.waitFor(`output ${pattern}`, () => pattern.exec(this.output), timeoutMs);
  }

  /** The first match in a line of standard error. */
  waitForErrorLine(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray> {
    const find = () => this.errorLines.map((line) => pattern.exec(line)).find(Boolean);
    return this.waitFor(`a line ${pattern}`, find, timeoutMs);
  }

  /** What `find` finds, which is asked again whenever the program has said something. */
  async waitFor<T>(
    what: string,
    find: () => T | null | undefined,
    timeoutMs?: number,
  ): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const check = () => {
      const found = find();
      if (found !== undefined && found !== null) resolve(found);
      else if (this.#isSilent) reject(this.failure(`it ended before ${what} came`));
    };
    this.#changes.addEventListener("change", check);
    try {
      check();
      return await within(what, promise, { timeoutMs, seen: () => this.#said() });
    } finally {
      this.#changes.removeEventListener("change", check);
    }
  }

  /** Sends a signal; nothing to a program that has ended. */
  signal(signal: Deno.Signal): void {
    if (!this.#hasEnded) this.#process.kill(signal);
  }

  /** What the death of its parent does. */
  async closeInput(): Promise<void> {
    await this.#process.stdin.close();
  }

  /** Waits until the program has ended, and with it all that has its output. */
  async end(timeoutMs: number = END_TIMEOUT_MS): Promise<Ended> {
    const seen = () => this.#said();
    await within(`the end of ${this.#name}`, this.#silence, { timeoutMs, seen });
    const { code } = await this.#process.status;
    return { code, output: this.output, errors: this.errors };
  }

  /** Kills it where it runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGKILL");
    await this.#process.status;
  }

  /** An error that tells all that the program has said. */
  failure(reason: string): Error {
    return new Error(`${reason}:\n${this.#said()}`);
  }

  #said(): string {
    return `${this.#name}\n${this.output}\n${this.errors}`;
  }

  #change(): void {
    this.#changes.dispatchEvent(new Event("change"));
  }

  async #write(input: Uint8Array<ArrayBuffer>): Promise<void> {
    const writer = this.#process.stdin.getWriter();
    try {
      await writer.write(input);
      await writer.close();
    } catch (error) {
      // A program may end before it has read all.
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  }

  async #readOutput(): Promise<void> {
    for await (const text of this.#process.stdout.pipeThrough(new TextDecoderStream())) {
      this.output += text;
      this.#change();
    }
  }

  async #readErrors(): Promise<void> {
    const lines: ReadableStream<string> = this.#process.stderr
      .pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) {
      this.errorLines.push(line);
      this.#change();
    }
  }
}

/** Whether a process runs; one that has ended and was not awaited does not. */
export function isRunning(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGCONT");
  } catch {
    return false;
  }
  if (Deno.build.os !== "linux") return true;
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}
