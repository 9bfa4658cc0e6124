/** Nothing is sampled, and what ends slow or failed is exported whole from all processes all the same. */

import { assert, assertEquals } from "@std/assert/mod.js";
import { findOrphans, type SinkSpan } from "../kit/otlp_sink.ts";
import { Stack } from "../kit/stack.ts";
import { eventually } from "../kit/waits.ts";
import { traceFaults } from "../kit/trace_faults.ts";

const CLIENT_SPAN = "b7ad6b7169203331";
/** 150 steps of 40 ms are slow; four are not, also where all else takes its time. */
const SLOW_TOKENS = 150;

let stack: Stack;

Deno.test.beforeAll(async () => {
  stack = await Stack.start({
    env: {
      DYN_ENGINE: "simulated",
      DYN_SIM_STEP_US: "40000",
      DYN_SIM_ANSWER_TOKENS: "0",
      // In the decode worker, after two slow requests; the worker ends with it.
      DYN_SIM_FAULTS: "fail@350",
      DYN_MIGRATION_LIMIT: "0",
      OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
      OTEL_TRACES_SAMPLER_ARG: "0",
      DYN_TRACE_KEEP_SLOWER_THAN: "5s",
    },
  });
});

Deno.test.afterAll(() => stack[Symbol.asyncDispose]());

/** Sends a request; resolves with its trace id, when its answer has come. */
async function request(maxTokens: number, headers: Record<string, string> = {}): Promise<string> {
  const { data: [model] } = await (await fetch(`${stack.url}/v1/models`)).json();
  const body = { model: model.id, prompt: "Hello", max_tokens: maxTokens, temperature: 0 };
  const response = await stack.post("completions", body, { headers });
  await response.text();
  const traceparent = response.headers.get("traceparent") ?? "";
  assertEquals(traceparent.slice(-3), "-00");
  return traceparent.slice(3, 35);
}

function kept(traceId: string, payloads: number): Promise<readonly SinkSpan[]> {
  return stack.sink.waitForTrace(traceId, (all) => {
    const count = (name: string) => all.filter((span) => span.name === name).length;
    return count("http-request") === 1 && count("handle_payload") === payloads;
  });
}

function reasonOf(spans: readonly SinkSpan[]): unknown {
  return spans.find(({ name }) => name === "http-request")?.attributes["trace.kept"];
}

Deno.test("a slow request is exported whole, below a client's span that is not sampled too", async () => {
  const traceId = "1".repeat(32);
  const ids = [
    await request(SLOW_TOKENS),
    await request(SLOW_TOKENS, { traceparent: `00-${traceId}-${CLIENT_SPAN}-00` }),
  ];
  assertEquals(ids[1], traceId);
  for (const id of ids) {
    const spans = await kept(id, 2);
    assertEquals(reasonOf(spans), "slow");
    assertEquals(traceFaults(spans, [CLIENT_SPAN]), []);
    assertEquals(new Set(spans.map(({ service }) => service)).size, 3);
    assert(spans.some(({ name }) => name === "kv.receive"), "no KV transfer in the trace");
  }
});

Deno.test("a request that is neither leaves nothing but what the metrics count", async () => {
  const traceId = await request(4);
  for (const worker of stack.workers) {
    assert(await stack.metric(worker, "dynamo_telemetry_kept_spans_total") > 0, worker.name);
    await eventually(async () => await stack.metric(worker, "dynamo_telemetry_held_spans") > 0);
    assert(await stack.metric(worker, "dynamo_telemetry_held_bytes") > 0, worker.name);
  }
  assertEquals(stack.sink.spans().filter((span) => span.traceId === traceId), []);
});

Deno.test("a request that fails is exported whole, from the worker too that ends with it", async () => {
  const spans = await kept(await request(100), 2);
  assertEquals(reasonOf(spans), "failed");
  assertEquals(findOrphans(spans), []);
  const failed = spans.find(({ name, hasError }) => name === "handle_payload" && hasError);
  assertEquals(failed?.service, "baton-decode");
  await stack.stop();
  assertEquals(findOrphans(stack.sink.spans(), [CLIENT_SPAN]), []);
});
