/**
 * `task start` as a real process, with a collector beside it: what end-to-end tests talk to.
 *
 * Ports are free ones, spans leave at once, and stderr is JSON lines. Nothing here sleeps: what a test
 * waits for is a line of output, a log line or a span, and where only polling helps, `eventually`.
 */

import { deadline } from "@std/async/deadline.js";
import { delay } from "@std/async/delay.js";
import { fromFileUrl } from "@std/path/mod.js";
import { TextLineStream } from "@std/streams/mod.js";
import { type OtlpSink, type SinkSpan, startOtlpSink } from "./otlp_sink.ts";

const START = fromFileUrl(new URL("../../services/start.ts", import.meta.url));
/** A software adapter loads and checks a model in seconds; a first download takes longer. */
const READY_TIMEOUT_MS = 180_000;
const WAIT_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 60_000;
const POLL_MS = 25;

export interface StackOptions {
  /** Absent for what DYN_ENGINE=simulated of `env` makes up. */
  readonly model?: string;
  readonly prefillCount?: number;
  readonly decodeCount?: number;
  /** Also the traces service, on free ports; its database is `DYN_TRACES_DB` of `env`. */
  readonly hasTraces?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

/** One JSON line of stderr. */
export type LogLine = Readonly<Record<string, unknown>>;

export interface StackWorker {
  /** As `start` calls it: "prefill", "decode-2". */
  readonly name: string;
  /** Of its status server. */
  readonly url: string;
}

export class Stack implements AsyncDisposable {
  readonly sink: OtlpSink;
  /** All of stdout so far. */
  output = "";
  /** All lines of stderr so far, as they came. */
  readonly errorLines: string[] = [];
  readonly #process: Deno.ChildProcess;
  readonly #changes = new EventTarget();
  readonly #drained: Promise<unknown>;
  #hasEnded = false;

  private constructor(options: StackOptions) {
    this.sink = startOtlpSink();
    this.#process = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        START,
        ...(options.model === undefined ? [] : ["--model", options.model]),
        ...["--port", "0"],
        ...["--prefill", String(options.prefillCount ?? 1)],
        ...["--decode", String(options.decodeCount ?? 1)],
        ...(options.hasTraces ? [] : ["--no-traces"]),
      ],
      env: {
        NO_COLOR: "1",
        DYN_LOGGING_JSONL: "1",
        DYN_LOG_DIR: "off",
        DYN_GRACEFUL_SHUTDOWN_TIMEOUT_MS: "5000",
        DYN_TRACES_OTLP_PORT: "0",
        DYN_TRACES_QUERY_PORT: "0",
        OTEL_EXPORT_ENABLED: "1",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: this.sink.tracesUrl,
        OTEL_BSP_SCHEDULE_DELAY: "20",
        ...options.env,
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#drained = Promise.all([this.#readOutput(), this.#readErrors()]).then(() => {
      this.#hasEnded = true;
      this.#changes.dispatchEvent(new Event("change"));
    });
  }

  /** Resolves when `start` says that everything is ready; throws with its output otherwise. */
  static async start(options: StackOptions): Promise<Stack> {
    const stack = new Stack(options);
    try {
      await stack.waitForOutput(/^Ctrl-C stops it\.$/m, READY_TIMEOUT_MS);
      return stack;
    } catch (error) {
      await stack[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Of the API, without `/v1`. */
  get url(): string {
    return this.#match(/^ {2}frontend +(http:\S+)\/health/m);
  }

  get natsUrl(): string {
    return this.#match(/^ {2}nats +(nats:\S+)$/m);
  }

  get workers(): readonly StackWorker[] {
    return [...this.output.matchAll(/^ {2}((?:prefill|decode)\S*) +(http:\S+)\/health/gm)]
      .map(([, name = "", url = ""]) => ({ name, url }));
  }

  /** The lines of stderr that are JSON objects. */
  get logs(): readonly LogLine[] {
    return this.errorLines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  }

  /** Process id of a worker, as its own spans tell it. */
  async pidOf({ url }: StackWorker): Promise<number> {
    const { instance_id: id } = await (await fetch(`${url}/health`)).json();
    const isOfIt = ({ resource }: SinkSpan) => resource["service.instance.id"] === id;
    const spans = await this.sink.waitFor((all) => all.some(isOfIt));
    return Number(spans.find(isOfIt)?.resource["process.pid"]);
  }

  /** The value of a worker's metric, over all its series. */
  async metric({ url }: StackWorker, name: string): Promise<number> {
    const page = await (await fetch(`${url}/metrics`)).text();
    const samples = page.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, "gm"));
    return [...samples].reduce((sum, [, value]) => sum + Number(value), 0);
  }

  /** The text of stdout that `pattern` matches. */
  waitForOutput(pattern: RegExp, timeoutMs = WAIT_TIMEOUT_MS): Promise<string> {
    return this.#waitFor(`output ${pattern}`, () => pattern.exec(this.output)?.[0], timeoutMs);
  }

  /** The first log line for which `matches` holds. */
  waitForLog(matches: (line: LogLine) => boolean): Promise<LogLine> {
    return this.#waitFor("a log line", () => this.logs.find(matches), WAIT_TIMEOUT_MS);
  }

  /** Ends it by a signal; returns its exit code. Spans of the drain are in the sink then. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    if (!this.#hasEnded) this.#process.kill(signal);
    try {
      await deadline(this.#drained, STOP_TIMEOUT_MS);
    } catch (error) {
      // Its services end with it.
      this.#process.kill("SIGKILL");
      throw this.#failure("start did not stop in time", error);
    }
    return (await this.#process.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop();
    } finally {
      await this.#process.status;
      await this.sink[Symbol.asyncDispose]();
    }
  }

  async #readOutput(): Promise<void> {
    for await (const text of this.#process.stdout.pipeThrough(new TextDecoderStream())) {
      this.output += text;
      this.#changes.dispatchEvent(new Event("change"));
    }
  }

  async #readErrors(): Promise<void> {
    const lines: ReadableStream<string> = this.#process.stderr
      .pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) {
      this.errorLines.push(line);
      this.#changes.dispatchEvent(new Event("change"));
    }
  }

  async #waitFor<T>(what: string, find: () => T | undefined, timeoutMs: number): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const check = () => {
      const found = find();
      if (found !== undefined) resolve(found);
      else if (this.#hasEnded) reject(this.#failure(`start ended before ${what} came`));
    };
    this.#changes.addEventListener("change", check);
    try {
      check();
      return await deadline(promise, timeoutMs);
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      throw this.#failure(`${what} did not come in ${timeoutMs} ms`, error);
    } finally {
      this.#changes.removeEventListener("change", check);
    }
  }

  #match(pattern: RegExp): string {
    const found = pattern.exec(this.output)?.[1];
    if (found === undefined) throw this.#failure(`there is no ${pattern}`);
    return found;
  }

  #failure(reason: string, cause?: unknown): Error {
    return new Error(`${reason}:\n${this.output}\n${this.errorLines.join("\n")}`, { cause });
  }
}

/** Polls until `isTrue`, where there is no event to wait for; throws after the time. */
export async function eventually(
  isTrue: () => Promise<boolean>,
  timeoutMs = 10_000,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!await isTrue()) {
    if (performance.now() > endMs) throw new Error(`it did not become true: ${isTrue}`);
    await delay(POLL_MS);
  }
}
