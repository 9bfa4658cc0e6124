/**
 * Every request is one trace: the tree that real processes export, for each way a request can end.
 *
 * The expected trees are below, as `traceText` writes them. A request also has one end record in the
 * log of each process that served it, and the ids in the logs are those of the exported spans.
 */

import { assertArrayIncludes, assertEquals, assertMatch } from "@std/assert/mod.js";
import { fromFileUrl } from "@std/path/mod.js";
import type { SinkSpan } from "../kit/otlp_sink.ts";
import { eventually, type LogLine, Stack, type StackWorker } from "../kit/stack.ts";
import { traceFaults } from "../kit/trace_faults.ts";
import { traceText } from "../kit/trace_text.ts";

const MODEL = "smollm2-135m-instruct";
/** Small steps: a long prompt takes many, so that there is time to leave or kill in the middle. */
const SMALL_STEPS = {
  DYN_DEVICE: "webgpu",
  DYN_MAX_BATCH_TOKENS: "20",
  DYN_MAX_SEQUENCES: "4",
};
/** Makes services warn, and drivers too, who write to stderr past them. */
const WARNINGS = { DYN_MISSPELT: "1", XDG_RUNTIME_DIR: "" };
const REQUEST_ENDED = /^request (completed|cancelled|rejected)$/;

let stack: Stack;

Deno.test.beforeAll(async () => {
  stack = await Stack.start({ model: MODEL, decodeCount: 2, env: { ...SMALL_STEPS, ...WARNINGS } });
});

Deno.test.afterAll(() => stack[Symbol.asyncDispose]());

interface Client {
  readonly traceId: string;
  readonly spanId: string;
  readonly xRequestId: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A client that has a trace of its own, so that its request can be found before it is answered. */
function newClient(flags = "01"): Client {
  const hex = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes)).toHex();
  const [traceId, spanId, xRequestId] = [hex(16), hex(8), `x-${hex(4)}`];
  return {
    traceId,
    spanId,
    xRequestId,
    headers: {
      traceparent: `00-${traceId}-${spanId}-${flags}`,
      tracestate: "vendor=1",
      "x-request-id": xRequestId,
    },
  };
}

interface Call {
  readonly on?: Stack;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

function complete(body: Record<string, unknown>, call: Call = {}): Promise<Response> {
  return fetch(`${(call.on ?? stack).url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...call.headers },
    body: JSON.stringify({
      model: MODEL,
      prompt: "Once upon a time",
      max_tokens: 6,
      temperature: 0,
      ignore_eos: true,
      ...body,
    }),
    ...(call.signal && { signal: call.signal }),
  });
}

/** A word is a token; workers keep what they computed of a prompt, so that each test has its own. */
function longPrompt(word: string, count = 200): string {
  return Array(count).fill(word).join(" ");
}

function traceIdOf(response: Response): string {
  return response.headers.get("traceparent")!.split("-")[1]!;
}

interface Expectation {
  readonly on?: Stack;
  /** More than one where two processes race to notice something. */
  readonly trees: readonly string[];
  readonly client?: Client;
}

/** Waits for the tree; then all attributes, the end records and the ids in the logs are right. */
async function assertTrace(
  traceId: string,
  { on = stack, trees, client }: Expectation,
): Promise<readonly SinkSpan[]> {
  const remoteIds = client === undefined ? [] : [client.spanId];
  const spans = await on.sink
    .waitForTrace(traceId, (all) => trees.includes(traceText(all)))
    .catch(() => on.sink.spans().filter((span) => span.traceId === traceId));
  if (!trees.includes(traceText(spans))) assertEquals(traceText(spans), trees[0]);
  assertEquals(traceFaults(spans, remoteIds), []);
  await assertLogs(on, spans);
  return spans;
}

async function assertLogs(on: Stack, spans: readonly SinkSpan[]): Promise<void> {
  const { traceId } = spans[0]!;
  const served = spans.filter(({ name }) => name === "http-request" || name === "handle_payload");
  const lines = () => on.logs.filter((line) => line.trace_id === traceId);
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

function isOf(client: Client, target: string, message: RegExp): (line: LogLine) => boolean {
  return (line) =>
    line.trace_id === client.traceId && line.target === target &&
    message.test(String(line.message));
}

const PREFILLED = `\
  prefill_routing [baton-frontend] INTERNAL attempt=1
    kv_router.select_worker [baton-frontend] INTERNAL
    router.route_request [baton-frontend] PRODUCER phase=prefill attempt=1 outcome=success
      handle_payload [baton-prefill] CONSUMER phase=prefill attempt=1 outcome=success
        engine.queue [baton-prefill] INTERNAL
        engine.prefill [baton-prefill] INTERNAL
        kv.send [baton-prefill] PRODUCER
          kv.receive [baton-decode] CONSUMER`;

const DISAGGREGATED = `\
http-request [baton-frontend] SERVER outcome=success
  preprocess [baton-frontend] INTERNAL
${PREFILLED}
  decode_routing [baton-frontend] INTERNAL attempt=1
    kv_router.select_worker [baton-frontend] INTERNAL
    router.route_request [baton-frontend] PRODUCER phase=decode attempt=1 outcome=success
      handle_payload [baton-decode] CONSUMER phase=decode attempt=1 outcome=success -> handle_payload
        engine.queue [baton-decode] INTERNAL
        kv.wait [baton-decode] INTERNAL -> kv.receive
        engine.decode [baton-decode] INTERNAL`;

const HTTP_STREAM = "\n  http.stream [baton-frontend] INTERNAL";

Deno.test("a streamed request is one tree over the three services", async () => {
  const response = await complete({ stream: true });
  assertMatch(await response.text(), /\[DONE\]/);
  const spans = await assertTrace(traceIdOf(response), { trees: [DISAGGREGATED + HTTP_STREAM] });
  const [root] = spans.filter(({ name }) => name === "http-request");
  assertEquals(root?.attributes["gen_ai.usage.output_tokens"], 6);
  assertEquals(root?.attributes["http.response.status_code"], 200);
  const [prefill, decode] = spans.filter(({ name }) => name === "handle_payload")
    .sort((a, b) => a.service < b.service ? 1 : -1);
  assertEquals(decode?.links, [{ traceId: prefill!.traceId, spanId: prefill!.spanId }]);
});

Deno.test("a whole answer is the same tree without a stream, and its headers name the trace", async () => {
  const response = await complete({}, { headers: { "x-request-id": "my-id" } });
  await response.body?.cancel();
  const spans = await assertTrace(traceIdOf(response), { trees: [DISAGGREGATED] });
  const [root] = spans.filter(({ name }) => name === "http-request");
  const traceparent = `00-${root?.traceId}-${root?.spanId}-01`;
  assertEquals(response.headers.get("traceparent"), traceparent);
  assertEquals(response.headers.get("x-request-id"), "my-id");
  const stages = response.headers.get("server-timing")!.split(", ").map((stage) => {
    assertMatch(stage, /^[a-z_]+;dur=\d+\.\d\d$/);
    return stage.split(";")[0];
  });
  assertEquals(
    stages,
    ["preprocess", "route", "ttft", "queue", "prefill", "kv_transfer", "decode", "total"],
  );
});

Deno.test("a client's own trace goes on, with its tracestate on every span", async () => {
  const client = newClient();
  const response = await complete({}, client);
  await response.body?.cancel();
  assertEquals(traceIdOf(response), client.traceId);
  const spans = await assertTrace(client.traceId, { trees: [DISAGGREGATED], client });
  assertEquals(spans.find(({ name }) => name === "http-request")?.parentSpanId, client.spanId);
  assertEquals(new Set(spans.map(({ traceState }) => traceState)), new Set(["vendor=1"]));
});

Deno.test("a client that did not sample gets its trace id back, and nothing is exported", async () => {
  const client = newClient("00");
  const response = await complete({}, client);
  await response.body?.cancel();
  assertMatch(response.headers.get("traceparent")!, new RegExp(`^00-${client.traceId}-\\w+-00$`));
  await stack.waitForLog(isOf(client, "baton-decode", REQUEST_ENDED));
  await assertTrace(traceIdOf(await complete({ stream: true })), {
    trees: [DISAGGREGATED + HTTP_STREAM],
  });
  assertEquals(stack.sink.spans().filter(({ traceId }) => traceId === client.traceId), []);
});

const LEFT_IN_STREAM = `\
http-request [baton-frontend] SERVER outcome=cancelled
  preprocess [baton-frontend] INTERNAL
${PREFILLED}
  decode_routing [baton-frontend] INTERNAL attempt=1
    kv_router.select_worker [baton-frontend] INTERNAL
    router.route_request [baton-frontend] PRODUCER phase=decode attempt=1 outcome=cancelled signal=client_disconnect
      handle_payload [baton-decode] CONSUMER phase=decode attempt=1 outcome=cancelled signal=cancelled -> handle_payload
        engine.queue [baton-decode] INTERNAL
        kv.wait [baton-decode] INTERNAL -> kv.receive
        engine.decode [baton-decode] INTERNAL
  http.stream [baton-frontend] INTERNAL`;

Deno.test("a client that leaves a stream is cancelled in every service, and nothing failed", async () => {
  const abort = new AbortController();
  const { signal } = abort;
  const response = await complete({ stream: true, max_tokens: 1000 }, { signal });
  const reader = response.body!.getReader();
  await reader.read();
  await reader.read();
  abort.abort();
  await reader.closed.catch(() => {});
  await assertTrace(traceIdOf(response), { trees: [LEFT_IN_STREAM] });
});

const LEFT_IN_PREFILL = `\
http-request [baton-frontend] SERVER outcome=cancelled
  preprocess [baton-frontend] INTERNAL
  prefill_routing [baton-frontend] INTERNAL attempt=1
    kv_router.select_worker [baton-frontend] INTERNAL
    router.route_request [baton-frontend] PRODUCER phase=prefill attempt=1 outcome=cancelled signal=client_disconnect
      handle_payload [baton-prefill] CONSUMER phase=prefill attempt=1 outcome=cancelled signal=cancelled
        engine.queue [baton-prefill] INTERNAL
        engine.prefill [baton-prefill] INTERNAL
        kv.send [baton-prefill] PRODUCER
  decode_routing [baton-frontend] INTERNAL attempt=1
    kv_router.select_worker [baton-frontend] INTERNAL
    router.route_request [baton-frontend] PRODUCER phase=decode attempt=1 outcome=cancelled signal=client_disconnect
      handle_payload [baton-decode] CONSUMER phase=decode attempt=1 outcome=cancelled signal=cancelled
        engine.queue [baton-decode] INTERNAL
        kv.receive [baton-decode] CONSUMER
        kv.wait [baton-decode] INTERNAL`;

Deno.test("a client that leaves while its prompt is computed is cancelled too", async () => {
  const client = newClient();
  const abort = new AbortController();
  const answer = complete({ prompt: longPrompt("cat") }, { ...client, signal: abort.signal });
  await eventually(async () => {
    const running = await Promise.all(
      stack.workers.map((worker) => stack.metric(worker, "dynamo_component_running_sequences")),
    );
    return running.filter((count) => count === 1).length === 2;
  });
  abort.abort();
  await answer.catch(() => {});
  await assertTrace(client.traceId, { trees: [LEFT_IN_PREFILL], client });
});

Deno.test("a refused request is a tree of what was done for it", async () => {
  const unknown = await complete({ model: "nope" });
  assertEquals([unknown.status, await unknown.body?.cancel()], [404, undefined]);
  assertMatch(unknown.headers.get("server-timing")!, /^total;dur=/);
  await assertTrace(traceIdOf(unknown), {
    trees: ["http-request [baton-frontend] SERVER outcome=rejected error=model_not_found"],
  });
  const long = await complete({ prompt: longPrompt("dog", 9000) });
  assertEquals([long.status, await long.body?.cancel()], [400, undefined]);
  await assertTrace(traceIdOf(long), {
    trees: [
      "http-request [baton-frontend] SERVER outcome=rejected error=context_length_exceeded\n" +
      "  preprocess [baton-frontend] INTERNAL",
    ],
  });
});

const REPLAYED = `\
  decode_routing [baton-frontend] INTERNAL attempt=2
    kv_router.select_worker [baton-frontend] INTERNAL
    router.route_request [baton-frontend] PRODUCER phase=aggregate attempt=2 outcome=success
      handle_payload [baton-decode] CONSUMER phase=aggregate attempt=2 outcome=success
        engine.queue [baton-decode] INTERNAL
        engine.prefill [baton-decode] INTERNAL
        engine.decode [baton-decode] INTERNAL
  http.stream [baton-frontend] INTERNAL`;

const PREFILL_DIED = `\
http-request [baton-frontend] SERVER outcome=success
  preprocess [baton-frontend] INTERNAL
  prefill_routing [baton-frontend] INTERNAL attempt=1
    kv_router.select_worker [baton-frontend] INTERNAL
    router.route_request [baton-frontend] PRODUCER ERROR phase=prefill attempt=1 outcome=error error=disconnected
  decode_routing [baton-frontend] INTERNAL attempt=1
    kv_router.select_worker [baton-frontend] INTERNAL`;

/** The decode worker, which waits for KV, noticed first. */
const TOLD_BY_DECODE = `${PREFILL_DIED}
    router.route_request [baton-frontend] PRODUCER ERROR phase=decode attempt=1 outcome=error error=transfer_failed
      handle_payload [baton-decode] CONSUMER ERROR phase=decode attempt=1 outcome=error error=transfer_failed
        engine.queue [baton-decode] INTERNAL
        kv.receive [baton-decode] CONSUMER ERROR error=transfer_failed
        kv.wait [baton-decode] INTERNAL ERROR error=transfer_failed
${REPLAYED}`;

/** The frontend noticed first and called the decode worker off. */
const TOLD_BY_PING = `${PREFILL_DIED}
    router.route_request [baton-frontend] PRODUCER phase=decode attempt=1 outcome=cancelled signal=superseded
      handle_payload [baton-decode] CONSUMER phase=decode attempt=1 outcome=cancelled signal=cancelled
        engine.queue [baton-decode] INTERNAL
        kv.receive [baton-decode] CONSUMER
        kv.wait [baton-decode] INTERNAL
${REPLAYED}`;

function workersOf(role: string): StackWorker[] {
  return stack.workers.filter(({ name }) => name.startsWith(role));
}

/** Kills a worker at once; what it was serving stays unfinished. */
async function kill(worker: StackWorker): Promise<void> {
  Deno.kill(await stack.pidOf(worker), "SIGKILL");
}

function textOf(events: string): string {
  return [...events.matchAll(/^data: (\{.*)$/gm)]
    .map(([, data]) => JSON.parse(data!).choices[0].text).join("");
}

Deno.test("a prefill worker killed in mid-request costs no text and leaves no orphan", async () => {
  const body = { prompt: longPrompt("dog"), stream: true };
  const [prefill] = workersOf("prefill");
  const pid = await stack.pidOf(prefill!);
  const client = newClient();
  const answer = complete(body, client);
  await stack.waitForLog(isOf(client, "baton-prefill", /received/));
  Deno.kill(pid, "SIGKILL");
  const text = textOf(await (await answer).text());
  const spans = await assertTrace(client.traceId, {
    trees: [TOLD_BY_DECODE, TOLD_BY_PING],
    client,
  });
  const [root] = spans.filter(({ name }) => name === "http-request");
  assertEquals(root?.attributes.attempts, 2);
  const [migrated] = root!.events.filter(({ name }) => name === "migrated");
  assertEquals(migrated?.attributes["error.type"], "disconnected");
  assertEquals(text, textOf(await (await complete(body)).text()));
});

const DECODE_DIED = `\
http-request [baton-frontend] SERVER outcome=success
  preprocess [baton-frontend] INTERNAL
${PREFILLED.split("\n").slice(0, -1).join("\n")}
  decode_routing [baton-frontend] INTERNAL attempt=1
    kv_router.select_worker [baton-frontend] INTERNAL
    router.route_request [baton-frontend] PRODUCER ERROR phase=decode attempt=1 outcome=error error=disconnected
${REPLAYED}`;

Deno.test("a decode worker killed in mid-stream costs no text and leaves no orphan", async () => {
  await waitUntilReady(workersOf("prefill"));
  const body = { stream: true, max_tokens: 60 };
  const expected = textOf(await (await complete(body)).text());
  const client = newClient();
  const response = await complete(body, client);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let events = "";
  while (events.split("\n\n").length < 5) events += (await reader.read()).value;
  for (const worker of workersOf("decode")) {
    const running = await stack.metric(worker, "dynamo_component_inflight_requests");
    if (running === 1) await kill(worker);
  }
  for (let next = await reader.read(); !next.done; next = await reader.read()) events += next.value;
  assertEquals(textOf(events), expected);
  const spans = await assertTrace(client.traceId, { trees: [DECODE_DIED], client });
  const died = spans.find(({ hasError }) => hasError);
  assertEquals(died?.attributes["worker.stage"], "tokens");
});

async function waitUntilReady(workers: readonly StackWorker[]): Promise<void> {
  for (const { url } of workers) {
    await eventually(async () => {
      const response = await fetch(`${url}/health`).catch(() => null);
      await response?.body?.cancel();
      return response?.status === 200;
    }, 30_000);
  }
}

const AGGREGATED = `\
http-request [baton-frontend] SERVER outcome=success
  preprocess [baton-frontend] INTERNAL
  decode_routing [baton-frontend] INTERNAL attempt=1
    kv_router.select_worker [baton-frontend] INTERNAL
    router.route_request [baton-frontend] PRODUCER phase=aggregate attempt=1 outcome=success
      handle_payload [baton-decode] CONSUMER phase=aggregate attempt=1 outcome=success
        engine.queue [baton-decode] INTERNAL
        engine.prefill [baton-decode] INTERNAL
        engine.decode [baton-decode] INTERNAL`;

const OVERLOADED = `\
http-request [baton-frontend] SERVER ERROR outcome=rejected error=overloaded
  preprocess [baton-frontend] INTERNAL
  decode_routing [baton-frontend] INTERNAL attempt=1
    kv_router.select_worker [baton-frontend] INTERNAL
    router.route_request [baton-frontend] PRODUCER ERROR phase=aggregate attempt=1 outcome=error error=overloaded
      handle_payload [baton-decode] CONSUMER ERROR phase=aggregate attempt=1 outcome=rejected error=overloaded
        engine.queue [baton-decode] INTERNAL ERROR error=overloaded
  decode_routing [baton-frontend] INTERNAL attempt=2
    kv_router.select_worker [baton-frontend] INTERNAL`;

Deno.test("without a prefill worker the decode worker does it all, and says when it is full", async () => {
  await using on = await Stack.start({
    model: MODEL,
    prefillCount: 0,
    env: { DYN_QUEUE_LIMIT: "0", DYN_MAX_SEQUENCES: "1" },
  });
  const whole = await complete({ stream: true }, { on });
  assertMatch(await whole.text(), /\[DONE\]/);
  await assertTrace(traceIdOf(whole), { on, trees: [AGGREGATED + HTTP_STREAM] });

  const endless = { stream: true, max_tokens: 4000 };
  const running = await complete(endless, { on });
  const full = await complete({}, { on });
  await running.body?.cancel();
  assertEquals([full.status, await full.body?.cancel()], [503, undefined]);
  await assertTrace(traceIdOf(full), { on, trees: [OVERLOADED] });
});

Deno.test("no span came late, and each trace of the whole run is one tree", async () => {
  assertEquals(await stack.stop(), 0);
  const traces = Map.groupBy(stack.sink.spans(), ({ traceId }) => traceId);
  assertArrayIncludes([...traces.values()].map((spans) => spans[0]?.name), ["http-request"]);
  for (const spans of traces.values()) {
    const [root] = spans.filter(({ name }) => name === "http-request" || name === "worker.start");
    const remoteIds = root?.parentSpanId === undefined ? [] : [root.parentSpanId];
    assertEquals(traceFaults(spans, remoteIds), [], traceText(spans));
  }
});

Deno.test("each line on stderr is one JSON object, whoever wrote it", () => {
  const lines = stack.errorLines.map((line) => JSON.parse(line));
  for (const { time, level, target, message } of lines) {
    assertMatch(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
    assertMatch(level, /^(ERROR|WARN|INFO)$/);
    assertEquals([typeof target, typeof message], ["string", "string"]);
  }
  const warned = new Set(
    lines.filter(({ message }) => message.startsWith("DYN_MISSPELT")).map(({ target }) => target),
  );
  assertEquals([...warned].sort(), ["baton-decode", "baton-frontend", "baton-prefill"]);
  assertArrayIncludes(lines.map(({ target }) => target), ["start.prefill"]);
});

Deno.test("a service that cannot start says why in one JSON line", async () => {
  for (const name of ["frontend", "prefill", "decode"]) {
    const main = fromFileUrl(new URL(`../../services/${name}/main.ts`, import.meta.url));
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", main],
      env: { DYN_LOGGING_JSONL: "1", DYN_HTTP_PORT: "many" },
      stdin: "null",
    }).output();
    const { level, target, message } = JSON.parse(new TextDecoder().decode(stderr));
    assertEquals([code, level, target], [2, "ERROR", `baton-${name}`]);
    assertMatch(message, /^Cannot use DYN_HTTP_PORT="many": use a whole number/);
  }
});
