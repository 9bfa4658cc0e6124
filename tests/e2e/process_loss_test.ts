/**
 * A process of a running request is killed or frozen, at several moments: the request ends, no span of a
 * process that lives is lost or without its parent, and every process that lives has logged its end.
 */

import { assertEquals, assertMatch } from "@std/assert/mod.js";
import { SpanCollection } from "../../shared/trace_view/span_collection.ts";
import type { ViewSpan } from "../../shared/trace_view/span.ts";
import { buildTree } from "../../shared/trace_view/trace_tree.ts";
import { NatsServer } from "../bus/nats_server_kit.ts";
import { findOrphans, type SinkSpan } from "../kit/otlp_sink.ts";
import { type LogLine, Stack } from "../kit/stack.ts";
import { traceFaults } from "../kit/trace_faults.ts";
import { eventually, within } from "../kit/waits.ts";
import { AnswerStream } from "./golden/answer_stream.ts";

type Service = "frontend" | "prefill" | "decode";
/** The transfer goes on for a while after the first token; answered: nothing more is to come. */
type Moment = "first token" | "decoding" | "answered";

/** Of 10 ms each: time to meet a process in the middle of them. */
const TOKENS = 200;
const EVENTS: Readonly<Record<Exclude<Moment, "answered">, number>> = {
  "first token": 1,
  "decoding": 10,
};
const ENDED = /^request (completed|cancelled)$/;

let nats: NatsServer;
let stack: Stack;
let text = "";

Deno.test.beforeAll(async () => {
  nats = await NatsServer.start();
  stack = await Stack.start({
    env: {
      NATS_URL: nats.url,
      DYN_LOGGING_SPAN_EVENTS: "1",
      // What a killed process had not sent is gone.
      OTEL_BSP_SCHEDULE_DELAY: "300",
      DYN_ENGINE: "simulated",
      DYN_MAX_BATCH_TOKENS: "2048",
      DYN_KV_CACHE_TOKENS: "4096",
      DYN_SIM_KV_TOKEN_BYTES: "65536",
      DYN_SIM_STEP_US: "10000",
      DYN_SIM_ROW_US: "0",
      DYN_SIM_PREFILL_TOKEN_US: "1000",
      DYN_SIM_ANSWER_TOKENS: "0",
    },
  });
  text = await (await Request.send()).stream.text();
});

Deno.test.afterAll(async () => {
  await stack[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

class Request {
  readonly stream: AnswerStream;
  readonly traceId: string;
  readonly clientSpanId: string;

  private constructor(stream: AnswerStream, traceId: string, clientSpanId: string) {
    this.stream = stream;
    this.traceId = traceId;
    this.clientSpanId = clientSpanId;
  }

  /** Sends it once both workers are up and idle; resolves with its first byte. */
  static async send(): Promise<Request> {
    await eventually(areWorkersIdle);
    const [traceId, spanId] = [hex(16), hex(8)];
    const response = await fetch(`${stack.url}/v1/completions`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        traceparent: `00-${traceId}-${spanId}-01`,
      },
      body: JSON.stringify({
        model: "simulated",
        prompt: "cat ".repeat(40),
        max_tokens: TOKENS,
        temperature: 0,
        seed: 7,
        stream: true,
      }),
    });
    assertEquals(response.status, 200);
    return new Request(new AnswerStream(response), traceId, spanId);
  }

  /** Reads on to a moment. */
  async reach(moment: Moment): Promise<void> {
    if (moment === "answered") assertEquals(await this.rest(), text);
    else await within(moment, this.stream.read(EVENTS[moment]));
  }

  async rest(): Promise<string> {
    return await within("the answer's end", this.stream.text());
  }

  /** Kills a process that serves it; resolves with the ids of the spans that it had opened. */
  async killedWith(service: Service): Promise<ReadonlySet<string>> {
    const isReady = ({ target, message }: LogLine) =>
      target === `baton-${service}` && / ready$/.test(String(message));
    const readyCount = () => stack.logs.filter(isReady).length;
    const before = readyCount();
    Deno.kill(pidOf(service), "SIGKILL");
    await stack.waitForLog(() => readyCount() > before);
    const { logs } = stack;
    const logged = new Set(logs.slice(0, logs.findLastIndex(isReady)).map((line) => line.span_id));
    const ofService = this.logged.filter((span) => span.service === `baton-${service}`);
    return new Set(ofService.map(({ spanId }) => spanId).filter((id) => logged.has(id)));
  }

  get exported(): readonly SinkSpan[] {
    return stack.sink.spans().filter(({ traceId }) => traceId === this.traceId);
  }

  get logged(): readonly ViewSpan[] {
    const collection = new SpanCollection();
    for (const line of stack.errorLines) collection.addLine(line, "stderr");
    return collection.spans.filter(({ traceId }) => traceId === this.traceId);
  }

  /**
   * Resolves when all spans but those of a process that was killed have ended, and have arrived; and
   * what served the request has logged its end once.
   */
  async whole(killed: ReadonlySet<string> = new Set()): Promise<void> {
    const living = () => this.logged.filter(({ spanId }) => !killed.has(spanId));
    const missing = () => {
      const ids = new Set(this.exported.map(({ spanId }) => spanId));
      return living().filter(({ endUs, spanId }) => endUs === null || !ids.has(spanId));
    };
    await eventually(() => living().length > 0 && missing().length === 0).catch((cause) => {
      const names = missing().map(({ name, service }) => `${name} [${service}]`);
      throw new Error(`not exported, or open: ${names.join(", ")}`, { cause });
    });
    const payloads = living().filter(({ name }) =>
      ["http-request", "handle_payload"].includes(name)
    );
    const ends = stack.logs.filter((line) =>
      line.trace_id === this.traceId && ENDED.test(String(line.message))
    );
    for (const { spanId, service } of payloads) {
      assertEquals(ends.filter((line) => line.span_id === spanId).length, 1, service);
    }
  }
}

function hex(bytes: number): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toHex();
}

/** Both workers are idle, and the pid of each is known by its first span. */
async function areWorkersIdle(): Promise<boolean> {
  const response = await fetch(`${stack.url}/health`).catch(() => null);
  if (response === null) return false;
  const { instances }: { instances: { running: number; waiting: number }[] } = await response
    .json();
  return instances.length === 2 &&
    instances.every(({ running, waiting }) => running + waiting === 0) &&
    starts().length === stack.logs.filter(({ message }) => message === "worker ready").length;
}

function starts(): readonly SinkSpan[] {
  return stack.sink.spans().filter(({ name, hasError }) => name === "worker.start" && !hasError);
}

/** The process of a service that has one. */
function pidOf(service: Service): number {
  const spans = service === "frontend" ? stack.sink.spans() : starts();
  const ofService = spans.filter((span) => span.service === `baton-${service}`);
  return Number(ofService.at(-1)?.resource["process.pid"]);
}

/** The frontend has given an attempt up. */
async function attemptFailed({ traceId }: Request): Promise<void> {
  await stack.waitForLog((line) =>
    line.trace_id === traceId && line.message === "SPAN_CLOSED" &&
    line.span_name === "router.route_request" && line["error.type"] !== undefined
  );
}

for (
  const [service, moment] of [
    ["prefill", "first token"],
    ["prefill", "decoding"],
    ["prefill", "answered"],
    ["decode", "first token"],
    ["decode", "decoding"],
    ["decode", "answered"],
  ] as const
) {
  Deno.test(`SIGKILL of ${service}, ${moment}: the same text, and no orphan`, async () => {
    const request = await Request.send();
    await request.reach(moment);
    const killed = request.killedWith(service);
    if (moment !== "answered") assertEquals(await request.rest(), text);
    await request.whole(await killed);
    assertEquals(traceFaults(request.exported, [request.clientSpanId]), []);
  });
}

for (
  const [service, moment] of [
    ["prefill", "first token"],
    ["decode", "first token"],
    ["decode", "decoding"],
  ] as const
) {
  Deno.test(`SIGSTOP of ${service}, ${moment}, until the frontend gives it up: the same text, one tree`, async () => {
    await eventually(areWorkersIdle);
    // A transfer does not end while its receiver stands still, so that it is under way at the stop.
    const receivers = service === "prefill" ? [pidOf("decode")] : [];
    const pid = pidOf(service);
    for (const each of receivers) Deno.kill(each, "SIGSTOP");
    let request: Request;
    try {
      request = await Request.send();
      await request.reach(moment);
      Deno.kill(pid, "SIGSTOP");
    } finally {
      for (const each of receivers) Deno.kill(each, "SIGCONT");
    }
    try {
      await attemptFailed(request);
    } finally {
      Deno.kill(pid, "SIGCONT");
    }
    assertEquals(await request.rest(), text);
    await request.whole();
    assertEquals(traceFaults(request.exported, [request.clientSpanId]), []);
  });
}

Deno.test("a NATS server that freezes until the frontend gives up: the same text, one tree", async () => {
  const request = await Request.send();
  await request.reach("decoding");
  nats.freeze();
  try {
    await attemptFailed(request);
  } finally {
    nats.thaw();
  }
  assertEquals(await request.rest(), text);
  await request.whole();
  assertEquals(traceFaults(request.exported, [request.clientSpanId]), []);
});

Deno.test("SIGSTOP of the frontend while its workers go on: the same text, one tree", async () => {
  const request = await Request.send();
  await request.reach("first token");
  const pid = pidOf("frontend");
  Deno.kill(pid, "SIGSTOP");
  try {
    await stack.waitForLog((line) =>
      line.trace_id === request.traceId && line.message === "SPAN_CLOSED" &&
      line.span_name === "engine.decode"
    );
  } finally {
    Deno.kill(pid, "SIGCONT");
  }
  assertEquals(await request.rest(), text);
  await request.whole();
  assertEquals(traceFaults(request.exported, [request.clientSpanId]), []);
});

Deno.test("SIGKILL of the frontend: the workers end, and all that is missing is what it took along", async () => {
  const request = await Request.send();
  await request.reach("decoding");
  const killed = request.killedWith("frontend");
  await request.rest().catch(() => {});
  await request.whole(await killed);
  const lost = new Map(request.logged.map(({ spanId, name }) => [spanId, name]));
  const orphans = findOrphans(request.exported, [request.clientSpanId]);
  assertEquals(
    orphans.map(({ name, parentSpanId = "" }) => `${name} < ${lost.get(parentSpanId)}`),
    [
      "handle_payload < router.route_request",
      "handle_payload < router.route_request",
    ],
  );
  // The log has the whole tree, with what the frontend had begun.
  const [note, ...others] = buildTree(request.logged).notes;
  assertMatch(note ?? "", /a process was killed; without an end: http-request \[baton-frontend\]/);
  assertEquals(others, []);
  assertEquals(await (await Request.send()).rest(), text);
});
