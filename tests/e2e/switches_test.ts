/** Tracing switches on real processes: what an operator sets once reaches every service of `task start`. */

import { assert, assertEquals, assertMatch } from "@std/assert/mod.js";
import type { SinkSpan } from "../kit/otlp_sink.ts";
import { Stack } from "../kit/stack.ts";
import { traceFaults } from "../kit/trace_faults.ts";

const CLIENT_SPAN = "b7ad6b7169203331";

let stack: Stack;

Deno.test.beforeAll(async () => {
  stack = await Stack.start({
    env: {
      DYN_ENGINE: "simulated",
      OTEL_SERVICE_NAME: "shop",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=prod",
      POD_NAME: "pod-1",
      OTEL_PROPAGATORS: "tracecontext,baggage,b3",
      OTEL_TRACES_SAMPLER: "parentbased_always_off",
      OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
      DYN_TRACE_LEVEL_REMOTE: "2",
    },
  });
});

Deno.test.afterAll(() => stack[Symbol.asyncDispose]());

/** The spans of a request that came with the headers; it is sampled. */
async function spansOf(traceId: string, headers: Record<string, string>) {
  const { data: [model] } = await (await fetch(`${stack.url}/v1/models`)).json();
  const messages = [{ role: "user", content: "Hello" }];
  const body = { model: model.id, messages, max_tokens: 4, temperature: 0 };
  const response = await stack.post("chat/completions", body, { headers });
  assertEquals(response.status, 200, await response.text());
  const spans = await stack.sink.waitForTrace(
    traceId,
    (all) =>
      all.some(({ name }) => name === "http-request") &&
      all.filter(({ name }) => name === "handle_payload").length === 2,
  );
  assertEquals(traceFaults(spans, [CLIENT_SPAN]), []);
  return spans;
}

function resources(spans: readonly SinkSpan[], name: string): unknown[] {
  return [...new Set(spans.map(({ resource }) => resource[name]))].sort();
}

Deno.test("services have names of their own below the operator's, and workers name their model", async () => {
  const traceId = "1".repeat(32);
  const spans = await spansOf(traceId, { traceparent: `00-${traceId}-${CLIENT_SPAN}-01` });
  assertEquals(resources(spans, "service.name"), ["shop-decode", "shop-frontend", "shop-prefill"]);
  assertEquals(resources(spans, "deployment.environment.name"), ["prod"]);
  assertEquals(resources(spans, "k8s.pod.name"), ["pod-1"]);
  const ofWorkers = spans.filter(({ service }) => service !== "shop-frontend");
  for (const name of ["model.name", "model.digest", "engine.backend", "engine.adapter"]) {
    const values = resources(ofWorkers, name);
    assert(values.length === 1 && typeof values[0] === "string", `${name}: ${values}`);
  }
});

Deno.test("a request gets the level that it asks for in every service, and no other does", async () => {
  const namesAt = async (traceId: string, tracestate: string) => {
    const traceparent = `00-${traceId}-${CLIENT_SPAN}-01`;
    const spans = await spansOf(traceId, { traceparent, tracestate });
    return new Set(spans.map(({ name }) => name));
  };
  const detailed = await namesAt("2".repeat(32), "rojo=1,baton=l:3");
  const plain = await namesAt("3".repeat(32), "rojo=1");
  for (const name of ["template", "tokenize", "engine.prefill_chunk"]) {
    assertEquals([detailed.has(name), plain.has(name)], [true, false], name);
  }
});

Deno.test("a client that speaks B3 has its trace go on through all services", async () => {
  const traceId = "4".repeat(32);
  const spans = await spansOf(traceId, { b3: `${traceId}-${CLIENT_SPAN}-1` });
  assertEquals(spans.find(({ name }) => name === "http-request")?.parentSpanId, CLIENT_SPAN);
  assertEquals(resources(spans, "service.name").length, 3);
});

Deno.test("two traceparent lines of a client are none", async () => {
  const traceId = "6".repeat(32);
  const { hostname, port } = new URL(stack.url);
  const answerTo = async (lines: number) => {
    using connection = await Deno.connect({ hostname, port: Number(port) });
    const line = `traceparent: 00-${traceId}-${CLIENT_SPAN}-01\r\n`;
    await connection.write(new TextEncoder().encode(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n` +
        `${line.repeat(lines)}\r\n`,
    ));
    return await new Response(connection.readable).text();
  };
  assertMatch(await answerTo(1), new RegExp(`^traceparent: 00-${traceId}-`, "m"));
  assertMatch(await answerTo(2), new RegExp(`^traceparent: 00-(?!${traceId})[0-9a-f]{32}-`, "m"));
});

Deno.test("the frontend's attempts name the spans that the workers made", async () => {
  const traceId = "5".repeat(32);
  const spans = await spansOf(traceId, { traceparent: `00-${traceId}-${CLIENT_SPAN}-01` });
  const named = spans.map(({ attributes }) => attributes["worker.span_id"]).filter(Boolean);
  const made = spans.filter(({ name }) => name === "handle_payload").map(({ spanId }) => spanId);
  assertEquals(named.sort(), made.sort());
});

Deno.test("a request that nobody decided on is not recorded, and its ids go back to the client", async () => {
  const response = await stack.post("chat/completions", {});
  await response.body?.cancel();
  const traceparent = response.headers.get("traceparent") ?? "";
  assertEquals(traceparent.slice(-3), "-00");
  assertEquals(await stack.stop(), 0);
  const traceId = traceparent.slice(3, 35);
  assertEquals(stack.sink.spans().filter((span) => span.traceId === traceId), []);
  const encodings = stack.sink.exports().map(({ headers }) => headers.get("content-encoding"));
  assertEquals(new Set(encodings), new Set(["gzip"]));
});
