/**
 * Real processes whose requests are looked at whole: the spans that they exported, and the same spans
 * rebuilt from their log lines alone.
 */

import { assertAlmostEquals, assertEquals } from "@std/assert/mod.js";
import type { ViewSpan } from "../../../shared/trace_view/span.ts";
import { SpanCollection } from "../../../shared/trace_view/span_collection.ts";
import { buildTree } from "../../../shared/trace_view/trace_tree.ts";
import { type PostOptions, Stack, type StackOptions, type StackWorker } from "../../kit/stack.ts";
import { eventually } from "../../kit/waits.ts";
import { traceFaults } from "../../kit/trace_faults.ts";
import { assertGolden } from "./golden_file.ts";
import { goldenText } from "./golden_text.ts";

/** A client that has a trace of its own, so that its request is known before it is answered. */
export interface GoldenClient {
  readonly traceId: string;
  readonly spanId: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Scenario {
  /** What happens, in a sentence. */
  readonly about: string;
  readonly traceId: string;
  readonly client?: GoldenClient;
  /** Instances that were killed in it: they alone may leave spans open. */
  readonly killed?: readonly string[];
  /** Counts that hang on timing here. */
  readonly varying?: readonly string[];
  /** Spans reach a collector; default true. */
  readonly isExported?: boolean;
}

const REQUEST_ENDED = /^request (completed|cancelled|rejected)$/;
const STEP = "engine.step";
const ROOTS: ReadonlySet<string> = new Set(["http-request", STEP]);

export class GoldenStack implements AsyncDisposable {
  readonly stack: Stack;
  readonly #workerCount: number;
  readonly #logged = new SpanCollection();
  #readLines = 0;

  private constructor(stack: Stack, workerCount: number) {
    this.stack = stack;
    this.#workerCount = workerCount;
  }

  static async start(options: StackOptions): Promise<GoldenStack> {
    const { prefillCount = 1, decodeCount = 1, env } = options;
    const stack = await Stack.start({
      ...options,
      env: { DYN_LOGGING_SPAN_EVENTS: "1", ...env },
    });
    return new GoldenStack(stack, prefillCount + decodeCount);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack[Symbol.asyncDispose]();
  }

  /** Sends a JSON request once every worker is up and has nothing to do. */
  async ask(
    path: "chat/completions" | "completions",
    body: unknown,
    options: PostOptions = {},
  ): Promise<Response> {
    await this.#idle();
    return await this.askNow(path, body, options);
  }

  /** The same, whatever the workers do. */
  async askNow(
    path: "chat/completions" | "completions",
    body: unknown,
    options: PostOptions = {},
  ): Promise<Response> {
    return await this.stack.post(path, body, options);
  }

  /** Resolves when each of the workers runs a sequence, as its metrics tell. */
  async running(workers: readonly StackWorker[] = this.stack.workers): Promise<void> {
    const metric = "dynamo_component_running_sequences";
    for (const worker of workers) {
      await eventually(async () => await this.stack.metric(worker, metric) > 0);
    }
  }

  /** Resolves with the worker of a role that has a request, once one has. */
  async busy(role: "prefill" | "decode"): Promise<StackWorker> {
    let found: StackWorker | undefined;
    await eventually(async () => {
      for (const worker of this.stack.workers.filter(({ name }) => name.startsWith(role))) {
        const requests = await this.stack.metric(worker, "dynamo_component_inflight_requests");
        if (requests > 0) found = worker;
      }
      return found !== undefined;
    });
    return found!;
  }

  /** The process behind a worker, for signals. */
  async processOf(
    worker: StackWorker,
  ): Promise<{ readonly pid: number; readonly instance: string }> {
    const { instance_id: instance } = await (await fetch(`${worker.url}/health`)).json();
    return { pid: await this.stack.pidOf(worker), instance };
  }

  /**
   * Kills the prefill process of the client's request. The frontend and the receiver of the KV both ask
   * for a silent sender twice a second: the receiver sleeps until the frontend has noticed, so that it is
   * always the first.
   */
  async killPrefill(prefillPid: number, decodePid: number, client: GoldenClient): Promise<void> {
    Deno.kill(decodePid, "SIGSTOP");
    try {
      Deno.kill(prefillPid, "SIGKILL");
      await this.stack.waitForLog((line) =>
        line.trace_id === client.traceId && line.message === "SPAN_CLOSED" &&
        line.span_name === "router.route_request" && line.phase === "prefill"
      );
    } finally {
      Deno.kill(decodePid, "SIGCONT");
    }
  }

  /**
   * Waits for the whole trace; then it is one tree as the registry allows, its log records are right,
   * the logs alone give the same tree, and its text is that of the file.
   */
  async assertTrace(name: string, scenario: Scenario): Promise<readonly ViewSpan[]> {
    const { about, traceId, client, varying, isExported = true } = scenario;
    const remoteIds = client === undefined ? [] : [client.spanId];
    const { logged, exported } = await this.#whole(scenario);
    if (isExported) {
      assertSameSpans(logged, exported);
      const spans = this.stack.sink.spans().filter((span) => span.traceId === traceId);
      assertEquals(traceFaults(spans, remoteIds), []);
    }
    assertEquals(buildTree(logged).notes, []);
    await this.#assertEndRecords(logged);
    const text = goldenText(logged, { serviceOf: this.#serviceOf(), varying });
    await assertGolden(name, `# ${about}\n\n${text}`);
    return logged;
  }

  /** The same for the step that computed a request's prompt, which is a trace of its own at level 3. */
  async assertPromptStep(
    name: string,
    { about, requestTraceId }: { readonly about: string; readonly requestTraceId: string },
  ): Promise<void> {
    const { logged: request } = await this.#whole({ traceId: requestTraceId });
    const isPromptStep = (span: ViewSpan) =>
      span.name === STEP && Number(span.attributes["batch.prefill_rows"]) > 0 &&
      span.links.some(({ traceId }) => traceId === requestTraceId);
    const find = () => this.#loggedSpans().find(isPromptStep);
    await eventually(() => Promise.resolve(find() !== undefined));
    const { traceId = "" } = find() ?? {};
    const { logged, exported } = await this.#whole({ traceId });
    assertSameSpans(logged, exported);
    const spans = this.stack.sink.spans().filter((span) => span.traceId === traceId);
    assertEquals(traceFaults(spans), []);
    const text = goldenText(logged, { serviceOf: this.#serviceOf(), linked: request });
    await assertGolden(name, `# ${about}\n\n${text}`);
  }

  /** Until the frontend routes by heartbeats in which all workers are idle. */
  async #idle(): Promise<void> {
    await eventually(async () => {
      const response = await fetch(`${this.stack.url}/health`);
      const { instances }: { instances: { running: number; waiting: number }[] } = await response
        .json();
      return instances.length === this.#workerCount &&
        instances.every(({ running, waiting }) => running + waiting === 0);
    });
  }

  /** The spans that ended and were to be exported, by id, from both sources. */
  async #whole({ traceId, killed = [], isExported = true }: Omit<Scenario, "about">) {
    const ofTrace = (spans: readonly ViewSpan[]) =>
      spans.filter((span) => span.traceId === traceId)
        .sort((a, b) => a.spanId < b.spanId ? -1 : 1);
    const state = () => {
      const all = ofTrace(this.#loggedSpans());
      return {
        open: all.filter(({ endUs, instance }) => endUs === null && !killed.includes(instance)),
        // The log of a worker that was killed tells more than it could export.
        logged: all.filter(({ instance }) => !killed.includes(instance)),
        exported: ofTrace(this.stack.sink.viewSpans()),
      };
    };
    const isWhole = () => {
      const { open, logged, exported } = state();
      return open.length === 0 && logged.some(({ name }) => ROOTS.has(name)) &&
        (!isExported || exported.length >= logged.length);
    };
    await eventually(isWhole).catch((cause) => {
      const { open, logged, exported } = state();
      const names = (spans: readonly ViewSpan[]) =>
        spans.map(({ name, service }) => `${name} [${service}]`).sort().join("\n  ");
      throw new Error(
        `the trace is not whole; open:\n  ${names(open)}\nlogged:\n  ${names(logged)}\n` +
          `exported:\n  ${names(exported)}`,
        { cause },
      );
    });
    return state();
  }

  #loggedSpans(): readonly ViewSpan[] {
    const { errorLines } = this.stack;
    for (; this.#readLines < errorLines.length; this.#readLines++) {
      this.#logged.addLine(errorLines[this.#readLines]!, "stderr");
    }
    return this.#logged.spans;
  }

  #serviceOf(): ReadonlyMap<string, string> {
    return new Map(
      this.#loggedSpans().map(({ instance, service }) => [instance, service] as const),
    );
  }

  /** One end record in the log of each process that served it, and its ids on each line. */
  async #assertEndRecords(spans: readonly ViewSpan[]): Promise<void> {
    const served = spans.filter(({ name }) => name === "http-request" || name === "handle_payload");
    const lines = () =>
      this.stack.logs.filter((line) =>
        line.trace_id === spans[0]?.traceId && !String(line.message).startsWith("SPAN_")
      );
    const ended = () =>
      lines().filter(({ message }) => REQUEST_ENDED.test(String(message)))
        .map((line) => `${line.target} ${line.span_id}`).sort();
    const expected = served.map(({ service, spanId }) => `${service} ${spanId}`).sort();
    await eventually(() => Promise.resolve(ended().length >= expected.length));
    assertEquals(ended(), expected);
    const [root] = served.filter(({ name }) => name === "http-request");
    for (const line of lines()) {
      assertEquals(line.x_request_id, root?.attributes.x_request_id);
      assertEquals(line.request_id, root?.attributes.request_id);
    }
  }
}

export function newClient(): GoldenClient {
  const hex = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes)).toHex();
  const [traceId, spanId] = [hex(16), hex(8)];
  return {
    traceId,
    spanId,
    headers: { traceparent: `00-${traceId}-${spanId}-01`, "x-request-id": "golden" },
  };
}

/** Both sources tell the same of each span; OTLP has nanoseconds, the log microseconds. */
function assertSameSpans(logged: readonly ViewSpan[], exported: readonly ViewSpan[]): void {
  assertEquals(logged.map(withoutTimes), exported.map(withoutTimes));
  for (const [index, span] of logged.entries()) {
    const other = timesOf(exported[index]);
    timesOf(span).forEach((us, at) => {
      assertAlmostEquals(us, other[at], 1.5, `${span.name}: the log tells another time`);
    });
  }
}

function timesOf(span: ViewSpan | undefined): readonly number[] {
  if (span === undefined) return [];
  return [span.startUs, span.endUs ?? NaN, ...span.events.map(({ timeUs }) => timeUs)];
}

function withoutTimes(span: ViewSpan): ViewSpan {
  const attributes = Object.entries(span.attributes).sort(([a], [b]) => a < b ? -1 : 1);
  return {
    ...span,
    startUs: 0,
    endUs: 0,
    attributes: Object.fromEntries(attributes),
    events: span.events.map((event) => ({ ...event, timeUs: 0 })),
  };
}
