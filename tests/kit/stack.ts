/**
 * `task start` as a real process, with a collector beside it: what end-to-end tests talk to.
 *
 * Ports are free ones, spans leave at once, and stderr is JSON lines. Nothing here sleeps: what a test
 * waits for is a line of output, a log line or a span, and where only polling helps, `eventually`.
 */

import { type OtlpSink, type SinkSpan, startOtlpSink } from "./otlp_sink.ts";
import { denoRun, Program } from "./program.ts";
import { registryFaults } from "./trace_faults.ts";

/** A software adapter loads and checks a model in seconds; a first download takes longer. */
const READY_TIMEOUT_MS = 180_000;
const WAIT_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 60_000;
/** Of a request, to the last byte of its answer: many share a software adapter. */
const REQUEST_TIMEOUT_MS = 450_000;

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

export interface PostOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface StackWorker {
  /** As `start` calls it: "prefill", "decode-2". */
  readonly name: string;
  /** Of its status server. */
  readonly url: string;
}

export class Stack implements AsyncDisposable {
  readonly sink: OtlpSink;
  readonly #program: Program;
  readonly #logs: LogLine[] = [];
  #linesRead = 0;

  private constructor(options: StackOptions) {
    this.sink = startOtlpSink();
    const command = denoRun(
      "services/start.ts",
      ...(options.model === undefined ? [] : ["--model", options.model]),
      ...["--port", "0"],
      ...["--prefill", String(options.prefillCount ?? 1)],
      ...["--decode", String(options.decodeCount ?? 1)],
      ...(options.hasTraces ? [] : ["--no-traces"]),
    );
    this.#program = new Program(command, {
      env: {
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

  /** All of stdout so far. */
  get output(): string {
    return this.#program.output;
  }

  /** All lines of stderr so far, as they came. */
  get errorLines(): readonly string[] {
    return this.#program.errorLines;
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
    const lines = this.errorLines.slice(this.#linesRead);
    this.#linesRead += lines.length;
    this.#logs.push(
      ...lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line)),
    );
    return this.#logs;
  }

  /** Process id of a worker, as the span of its start tells it. */
  async pidOf({ url }: StackWorker): Promise<number> {
    const { instance_id: id } = await (await fetch(`${url}/health`)).json();
    // A worker that found its port taken has ended, and was started again under the same id.
    const isOfIt = ({ name, hasError, resource }: SinkSpan) =>
      name === "worker.start" && !hasError && resource["service.instance.id"] === id;
    const spans = await this.sink.waitFor((all) => all.some(isOfIt));
    return Number(spans.findLast(isOfIt)?.resource["process.pid"]);
  }

  /** The value of a worker's metric, over all its series. */
  async metric({ url }: StackWorker, name: string): Promise<number> {
    const page = await (await fetch(`${url}/metrics`)).text();
    const samples = page.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, "gm"));
    return [...samples].reduce((sum, [, value]) => sum + Number(value), 0);
  }

  /** Sends a JSON request to the API, such as `chat/completions`. */
  async post(
    path: string,
    body: unknown,
    { headers, signal }: PostOptions = {},
  ): Promise<Response> {
    const limit = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    return await fetch(`${this.url}/v1/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    });
  }

  /** The text of stdout that `pattern` matches. */
  async waitForOutput(pattern: RegExp, timeoutMs = WAIT_TIMEOUT_MS): Promise<string> {
    return (await this.#program.waitForOutput(pattern, timeoutMs))[0];
  }

  /** The first log line for which `matches` holds. */
  waitForLog(matches: (line: LogLine) => boolean): Promise<LogLine> {
    const what = `a log line with ${matches}`;
    return this.#program.waitFor(what, () => this.logs.find(matches), WAIT_TIMEOUT_MS);
  }

  /** Ends it by a signal; returns its exit code. Spans of the drain are in the sink then. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    this.#program.signal(signal);
    try {
      return (await this.#program.end(STOP_TIMEOUT_MS)).code;
    } finally {
      // Where it did not end, its services end with it.
      this.#program.signal("SIGKILL");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop();
    } finally {
      await this.#program[Symbol.asyncDispose]();
      await this.sink[Symbol.asyncDispose]();
    }
    const faults = registryFaults(this.sink.spans());
    if (faults.length > 0) throw new Error(`The run emitted what is not declared: ${faults}`);
  }

  #match(pattern: RegExp): string {
    const found = pattern.exec(this.output)?.[1];
    if (found === undefined) throw this.#program.failure(`there is no ${pattern}`);
    return found;
  }
}
