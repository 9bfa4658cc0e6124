/**
 * The traces service as a process: spans taken in and acknowledged a second, search and trace by id
 * while the store grows, memory.
 */

import { fromFileUrl, join } from "@std/path/mod.js";
import { choosePort } from "../services/start/ports.ts";
import { memoryOf } from "./process_usage.ts";
import { requestSpans, SPANS_PER_REQUEST } from "./span_bodies.ts";
import { figure, median } from "./statistics.ts";
import { table } from "./table.ts";

export interface TracesBenchOptions {
  /** Spans in the store at which it is measured, growing. */
  readonly sizes: readonly number[];
}

const HOST = "127.0.0.1";
/** As the services' exporters send them. */
const REQUESTS_PER_BODY = 40;
const CONNECTIONS = 4;
/** Bodies are made before they are timed, so many at once. */
const BODIES_PER_ROUND = 120;
const REPEATS = 5;
const START_TIMEOUT_MS = 30_000;

/** What the page and Grafana ask, and what no index helps with. */
const SEARCHES = [
  "{ nestedSetParent < 0 }",
  '{ name = "http-request" && duration > 1.9s }',
  '{ .x_request_id = "req-77" }',
  '{ .x_request_id = "no such request" }',
  "{ status = error } | select(span.dyn.worker_id)",
  "{ duration > 5s }",
  '{ resource.service.name = "baton-frontend" } >> { status = error }',
  '{ span.gen_ai.usage.output_tokens > 190 && name = "http-request" }',
];
const METRICS = "{ nestedSetParent < 0 } | quantile_over_time(duration, .5, .95)";

/** Runs the benchmark and returns its report as Markdown. */
export async function benchTraces({ sizes }: TracesBenchOptions): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "baton-bench-" });
  const service = await startService(join(folder, "traces.db"));
  const load = new SpanLoad(service.otlpUrl);
  const rows: string[][] = [];
  try {
    for (const size of sizes) {
      const spansPerSecond = await load.growTo(size);
      const searches: number[] = [];
      for (const q of SEARCHES) {
        searches.push(await timeGet(service.queryUrl, "/api/search", { q }));
      }
      const byId = await timeGet(service.queryUrl, `/api/v2/traces/${load.someTraceId}`, {});
      const metrics = await timeGet(service.queryUrl, "/api/metrics/query_range", {
        q: METRICS,
        ...load.window,
      });
      rows.push([
        size.toLocaleString("en-US"),
        figure(spansPerSecond),
        `${figure(median(searches))} ms`,
        `${figure(Math.max(...searches))} ms`,
        `${figure(byId)} ms`,
        `${figure(metrics)} ms`,
        `${figure((await memoryOf(service.process.pid)).residentBytes / 2 ** 20)} MiB`,
        `${figure(await folderMegabytes(folder))} MiB`,
      ]);
    }
  } finally {
    service.process.kill("SIGTERM");
    await service.process.status;
    await Deno.remove(folder, { recursive: true });
  }
  const head = [
    "spans stored",
    "acknowledged spans/s",
    "search p50",
    "slowest search",
    "trace by id",
    "metrics",
    "RSS",
    "files",
  ];
  return `${table(head, rows)}\n\nSearches: ${
    SEARCHES.map((q) => `\`${q.replaceAll("|", "\\|")}\``).join(", ")
  }.\n`;
}

interface Service {
  readonly process: Deno.ChildProcess;
  readonly otlpUrl: string;
  readonly queryUrl: string;
}

async function startService(database: string): Promise<Service> {
  const otlpPort = choosePort(HOST, 0);
  const queryPort = choosePort(HOST, 0);
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", fromFileUrl(new URL("../services/traces/main.ts", import.meta.url))],
    env: {
      DYN_TRACES_DB: database,
      DYN_TRACES_OTLP_PORT: String(otlpPort),
      DYN_TRACES_QUERY_PORT: String(queryPort),
      DYN_LOG: "warn",
    },
    stdin: "null",
  }).spawn();
  const queryUrl = `http://${HOST}:${queryPort}`;
  const startedAt = performance.now();
  while (!await isReady(queryUrl)) {
    if (performance.now() - startedAt > START_TIMEOUT_MS) {
      process.kill("SIGKILL");
      throw new Error("Cannot measure the traces service: it is not ready in 30 s");
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { process, otlpUrl: `http://${HOST}:${otlpPort}/v1/traces`, queryUrl };
}

async function isReady(queryUrl: string): Promise<boolean> {
  try {
    const answer = await fetch(`${queryUrl}/ready`);
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}

/** Fills the store, a request each 10 ms of the spans' own time. */
class SpanLoad {
  readonly #url: string;
  readonly #startMs = Date.now() - 12 * 3_600_000;
  #requests = 0;
  someTraceId = "";

  constructor(url: string) {
    this.#url = url;
  }

  /** The last hour of the spans' time. */
  get window(): { start: string; end: string; step: string } {
    const end = Math.ceil((this.#startMs + this.#requests * 10) / 1000);
    return { start: String(end - 3600), end: String(end), step: "60s" };
  }

  /** Spans acknowledged a second while the store grew. */
  async growTo(spans: number): Promise<number> {
    const before = this.#requests;
    let elapsedMs = 0;
    while (this.#requests * SPANS_PER_REQUEST < spans) {
      const bodies = this.#makeBodies(Math.ceil(spans / SPANS_PER_REQUEST) - this.#requests);
      const startMs = performance.now();
      await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
        for (let body = bodies.pop(); body !== undefined; body = bodies.pop()) {
          await this.#push(body);
        }
      }));
      elapsedMs += performance.now() - startMs;
    }
    return (this.#requests - before) * SPANS_PER_REQUEST / elapsedMs * 1000;
  }

  #makeBodies(requests: number): Uint8Array<ArrayBuffer>[] {
    const bodies: Uint8Array<ArrayBuffer>[] = [];
    let left = requests;
    while (left > 0 && bodies.length < BODIES_PER_ROUND) {
      const parts: Uint8Array<ArrayBuffer>[][] = [];
      for (let count = Math.min(left, REQUESTS_PER_BODY); count > 0; count--, left--) {
        const startNs = BigInt(this.#startMs + this.#requests * 10) * 1_000_000n;
        const spans = requestSpans(this.#requests++, startNs);
        this.someTraceId = spans.traceId;
        spans.parts.forEach((part, index) => (parts[index] ??= []).push(part));
      }
      // Messages of one kind may follow each other: together they are one request.
      bodies.push(...parts.map(concatenate));
    }
    return bodies.reverse();
  }

  async #push(body: Uint8Array<ArrayBuffer>): Promise<void> {
    const answer = await fetch(this.#url, {
      method: "POST",
      headers: { "content-type": "application/x-protobuf" },
      body,
    });
    await answer.body?.cancel();
    if (!answer.ok) throw new Error(`Cannot measure the intake: status ${answer.status}`);
  }
}

function concatenate(parts: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Median milliseconds of a GET with its whole answer. */
async function timeGet(
  base: string,
  path: string,
  parameters: Readonly<Record<string, string>>,
): Promise<number> {
  const times: number[] = [];
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const startMs = performance.now();
    const answer = await fetch(`${base}${path}?${new URLSearchParams(parameters)}`);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`Cannot measure ${path}: ${answer.status} ${text}`);
    times.push(performance.now() - startMs);
  }
  return median(times);
}

async function folderMegabytes(folder: string): Promise<number> {
  let bytes = 0;
  for await (const { name } of Deno.readDir(folder)) {
    bytes += (await Deno.stat(join(folder, name))).size;
  }
  return bytes / 1024 / 1024;
}
