/**
 * A request's trace as its client and its operator meet it: headers, tracestate, log lines. The trees
 * themselves are in golden/.
 */

import { assert, assertArrayIncludes, assertEquals, assertMatch } from "@std/assert/mod.js";
import type { SinkSpan } from "../kit/otlp_sink.ts";
import { denoRun, runProgram } from "../kit/program.ts";
import { Stack } from "../kit/stack.ts";
import { traceFaults } from "../kit/trace_faults.ts";
import { eventually } from "../kit/waits.ts";

const MODEL = "simulated";
const CLIENT_SPAN = "b7ad6b7169203331";
/** Every service warns of it. */
const MISSPELT = { DYN_MISSPELT: "1" };

let stack: Stack;

Deno.test.beforeAll(async () => {
  stack = await Stack.start({
    env: {
      DYN_ENGINE: "simulated",
      DYN_GRACEFUL_SHUTDOWN_TIMEOUT_MS: "30000",
      ...MISSPELT,
    },
  });
});

Deno.test.afterAll(() => stack[Symbol.asyncDispose]());

function complete(
  body: Readonly<Record<string, unknown>> = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const request = { model: MODEL, prompt: "Once upon a time", max_tokens: 20, temperature: 0 };
  return stack.post("completions", { ...request, ...body }, { headers });
}

function traceIdOf(response: Response): string {
  return response.headers.get("traceparent")?.split("-")[1] ?? "";
}

/** The spans of a request that both workers served, once all of them have come. */
async function servedSpans(traceId: string): Promise<readonly SinkSpan[]> {
  return await stack.sink.waitForTrace(
    traceId,
    (all) =>
      all.some(({ name }) => name === "http-request") &&
      all.filter(({ name }) => name === "handle_payload").length === 2,
  );
}

Deno.test("the headers of an answer name its trace, its ids and the times of its stages", async () => {
  const response = await complete({}, { "x-request-id": "my-id" });
  await response.body?.cancel();
  const spans = await servedSpans(traceIdOf(response));
  const root = spans.find(({ name }) => name === "http-request");
  const traceparent = `00-${root?.traceId}-${root?.spanId}-01`;
  assertEquals(response.headers.get("traceparent"), traceparent);
  assertEquals(response.headers.get("x-request-id"), "my-id");
  const stages = response.headers.get("server-timing")!.split(", ").map((stage) => {
    assertMatch(stage, /^[a-z_]+;dur=\d+\.\d\d$/);
    return stage.split(";")[0];
  });
  assertEquals(
    stages,
    [
      "preprocess",
      "route",
      "dispatch",
      "queue",
      "prefill",
      "ttft",
      "kv_transfer",
      "decode",
      "total",
    ],
  );
});

Deno.test("each histogram of a worker that requests feed names traces that were exported", async () => {
  const response = await complete();
  await response.body?.cancel();
  await servedSpans(traceIdOf(response));
  const exported = new Set(stack.sink.spans().map(({ traceId }) => traceId));
  const common = [
    "dynamo_component_engine_step_rows",
    "dynamo_component_engine_step_seconds",
    "dynamo_component_kv_transfer_seconds",
    "dynamo_component_request_duration_seconds",
    "dynamo_work_handler_time_to_first_response_seconds",
  ];
  for (const worker of stack.workers) {
    const accept = "application/openmetrics-text";
    const page = await (await fetch(`${worker.url}/metrics`, { headers: { accept } })).text();
    const exemplars = [...page.matchAll(/^(\w+)_bucket\{.* # \{trace_id="(\w+)"\} /gm)];
    assertEquals([...new Set(exemplars.map(([, name]) => name))].toSorted(), common, worker.name);
    for (const [, , traceId = ""] of exemplars) assert(exported.has(traceId), traceId);
  }
});

Deno.test("a refused request has its headers too", async () => {
  let refused = new Headers();
  // A frontend that has just started says 503: a worker with that model may still be heard of.
  await eventually(async () => {
    const { status, headers, body } = await complete({ model: "nope" });
    await body?.cancel();
    refused = headers;
    return status === 404;
  });
  assertMatch(refused.get("server-timing")!, /^total;dur=/);
  assertMatch(refused.get("traceparent")!, /^00-\w{32}-\w{16}-01$/);
});

Deno.test("a client's tracestate is on every span of its trace", async () => {
  const traceId = "7".repeat(32);
  const traceparent = `00-${traceId}-${CLIENT_SPAN}-01`;
  const response = await complete({}, { traceparent, tracestate: "vendor=1" });
  await response.body?.cancel();
  assertEquals(traceIdOf(response), traceId);
  const spans = await servedSpans(traceId);
  assertEquals(traceFaults(spans, [CLIENT_SPAN]), []);
  assertEquals(new Set(spans.map(({ traceState }) => traceState)), new Set(["vendor=1"]));
});

Deno.test("a client that did not sample gets its trace id back, and nothing is exported", async () => {
  const traceId = "8".repeat(32);
  const response = await complete({}, { traceparent: `00-${traceId}-${CLIENT_SPAN}-00` });
  await response.body?.cancel();
  assertMatch(response.headers.get("traceparent")!, new RegExp(`^00-${traceId}-\\w+-00$`));
  for (const target of ["baton-frontend", "baton-prefill", "baton-decode"]) {
    await stack.waitForLog((line) =>
      line.trace_id === traceId && line.target === target && line.message === "request completed"
    );
  }
  // A sampled one after it has come.
  await servedSpans(traceIdOf(await complete({ stream: true })));
  assertEquals(stack.sink.spans().filter((span) => span.traceId === traceId), []);
});

Deno.test("each line on stderr is one JSON object, whoever wrote it", async () => {
  const [prefill] = stack.workers;
  Deno.kill(await stack.pidOf(prefill!), "SIGKILL");
  await stack.waitForLog(({ target }) => target === "start.prefill");
  const readyCount = () =>
    stack.logs.filter(({ target, message }) =>
      target === "baton-prefill" && message === "worker ready"
    ).length;
  await stack.waitForLog(() => readyCount() === 2);
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

Deno.test("no span came late, and each trace of the whole run is one tree", async () => {
  assertEquals(await stack.stop(), 0);
  const traces = Map.groupBy(stack.sink.spans(), ({ traceId }) => traceId);
  const roots = new Set<string>();
  for (const spans of traces.values()) {
    const root = spans.find(({ parentSpanId }) =>
      parentSpanId === undefined || parentSpanId === CLIENT_SPAN
    );
    roots.add(root?.name ?? "");
    assertEquals(traceFaults(spans, [CLIENT_SPAN]), [], root?.name);
  }
  assertArrayIncludes([...roots], ["http-request", "worker.start"]);
});

Deno.test("a service that cannot start says why in one JSON line", async () => {
  for (const name of ["frontend", "prefill", "decode"]) {
    const { code, errors } = await runProgram(denoRun(`services/${name}/main.ts`), {
      env: { DYN_LOGGING_JSONL: "1", DYN_HTTP_PORT: "many" },
    });
    const { level, target, message } = JSON.parse(errors);
    assertEquals([code, level, target], [2, "ERROR", `baton-${name}`]);
    assertMatch(message, /^Cannot use DYN_HTTP_PORT="many": use a whole number/);
  }
});
