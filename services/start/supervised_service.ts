/**
 * One child process that is kept running.
 *
 * A child that ends unasked is started again after a wait that doubles with each failure in a row.
 * Until the service was ready once, only a few failures are allowed, since more would not help:
 * `ready` then rejects with the child's own last words. Exit code 2 (wrong settings) is final at
 * once. The child leads its own process group: a Ctrl-C on the terminal reaches only `start`, and
 * what a killed child has started itself is killed with it. Its standard input is a pipe whose end
 * tells it that `start` died (`parent_watch.ts`).
 */

import { delay } from "@std/async/delay.js";
import { TextLineStream } from "@std/streams/mod.js";

export interface ServiceSpec {
  /** Short and unique, such as "decode-1". */
  readonly name: string;
  /** Program and arguments. */
  readonly command: readonly string[];
  /** Added to the environment of this process. Asked for before each start: it may be another by then. */
  readonly env: () => Readonly<Record<string, string>>;
  /** One probe; false or a rejection means not yet. */
  readonly isReady: () => Promise<boolean>;
}

export interface SupervisionOptions {
  readonly onLine: (service: string, line: string) => void;
  /** A child ended unasked and will be started again. */
  readonly onRestart: (service: string, message: string) => void;
  /** Ends in a row before the first readiness after which to give up; default 3. */
  readonly startAttempts?: number;
  /** Wait before the first restart; doubles up to 30 s; default 500. */
  readonly restartDelayMs?: number;
  readonly probeIntervalMs?: number;
}

/** A service that does not start. */
export class ServiceError extends Error {
  override name = "ServiceError";
}

const MAX_RESTART_DELAY_MS = 30_000;
/** A child that ran this long starts over with a short wait. */
const STABLE_MS = 60_000;
const WRONG_SETTINGS = 2;
const LAST_LINES = 5;

export class SupervisedService {
  readonly spec: ServiceSpec;
  /** Resolves at the first readiness; rejects with a ServiceError when the service gives up. */
  readonly ready: Promise<void>;
  readonly #options: SupervisionOptions;
  readonly #stop = new AbortController();
  #child: Deno.ChildProcess | undefined;
  #wasReady = false;
  #lastLines: string[] = [];
  #finished: Promise<void>;

  /** Starts the child. */
  constructor(spec: ServiceSpec, options: SupervisionOptions) {
    this.spec = spec;
    this.#options = options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    // Whoever awaits `ready` sees the rejection; nobody awaiting it is fine too.
    this.ready.catch(() => {});
    this.#finished = this.#keepRunning(resolve).catch(reject);
  }

  /** The child's process id while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Ends the child: SIGTERM, and SIGKILL after `graceMs` or when `hurry` aborts. */
  async stop(graceMs: number, hurry?: AbortSignal): Promise<void> {
    this.#stop.abort();
    try {
      this.#child?.kill("SIGTERM");
    } catch {
      // It has ended already.
    }
    const kill = () => {
      if (this.#child !== undefined) killGroup(this.#child.pid);
    };
    const timer = setTimeout(kill, graceMs);
    hurry?.addEventListener("abort", kill);
    if (hurry?.aborted) kill();
    await this.#finished;
    clearTimeout(timer);
    hurry?.removeEventListener("abort", kill);
  }

  async #keepRunning(onReady: () => void): Promise<void> {
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted;) {
      const startedAtMs = performance.now();
      const code = await this.#runOnce(onReady);
      if (signal.aborted) return;
      failures = performance.now() - startedAtMs > STABLE_MS ? 1 : failures + 1;
      if (!this.#wasReady && this.#isHopeless(failures, code)) throw this.#failure(code);
      const waitMs = Math.min(
        (this.#options.restartDelayMs ?? 500) * 2 ** (failures - 1),
        MAX_RESTART_DELAY_MS,
      );
      this.#options.onRestart(
        this.spec.name,
        `ended with code ${code}; starting it again in ${(waitMs / 1000).toFixed(1)} s`,
      );
      await delay(waitMs, { signal }).catch(() => {
        // Stopped while it waited: the loop ends.
      });
    }
  }

  #isHopeless(failures: number, code: number): boolean {
    return code === WRONG_SETTINGS || failures >= (this.#options.startAttempts ?? 3);
  }

  #failure(code: number): ServiceError {
    const words = this.#lastLines.join("\n  ");
    return new ServiceError(
      `Cannot start ${this.spec.name}: it ended with code ${code}` +
        (words === "" ? " and said nothing" : `. Its last words:\n  ${words}`),
    );
  }

  async #runOnce(onReady: () => void): Promise<number> {
    const [program = "", ...args] = this.spec.command;
    let child: Deno.ChildProcess;
    try {
      child = new Deno.Command(program, {
        args,
        // Its output is a pipe, and its last words are quoted.
        env: { NO_COLOR: "1", ...this.spec.env() },
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
        detached: true,
      }).spawn();
    } catch (error) {
      throw new ServiceError(
        `Cannot start ${this.spec.name}: ${error instanceof Error ? error.message : error}`,
        { cause: error },
      );
    }
    this.#child = child;
    this.#lastLines = [];
    const ended = new AbortController();
    const output = [this.#relay(child.stdout), this.#relay(child.stderr)];
    const probing = this.#probe(ended.signal, onReady);
    const { code } = await child.status;
    this.#child = undefined;
    ended.abort();
    killGroup(child.pid);
    await Promise.all([...output, probing]);
    return code;
  }

  async #relay(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    const lines: ReadableStream<string> = stream.pipeThrough(new TextDecoderStream()).pipeThrough(
      new TextLineStream(),
    );
    for await (const line of lines) {
      if (line.trim() === "") continue;
      this.#lastLines = [...this.#lastLines.slice(1 - LAST_LINES), line];
      this.#options.onLine(this.spec.name, line);
    }
  }

  async #probe(ended: AbortSignal, onReady: () => void): Promise<void> {
    while (!ended.aborted) {
      if (await this.spec.isReady().catch(() => false)) {
        if (ended.aborted) return;
        this.#wasReady = true;
        onReady();
        return;
      }
      await delay(this.#options.probeIntervalMs ?? 100, { signal: ended }).catch(() => {
        // The child ended: the loop does too.
      });
    }
  }
}

/** Ends a child and whatever it started and left behind. */
function killGroup(leaderPid: number): void {
  try {
    // Windows has no process groups: there only the child itself ends.
    Deno.kill(Deno.build.os === "windows" ? leaderPid : -leaderPid, "SIGKILL");
  } catch {
    // Nothing is left of it.
  }
}
