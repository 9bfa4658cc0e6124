import { assertAlmostEquals, assertEquals, assertMatch } from "@std/assert/mod.js";
import { attributeSpec, roleOfName } from "../../../shared/telemetry/registry/mod.ts";
import { readOtlpJson } from "../../../shared/trace_view/otlp_json.ts";
import { nowMs, PageSpan } from "./page_span.ts";
import { createPageTracer, createSpanExporter } from "./page_tracer.ts";

interface Collector extends AsyncDisposable {
  readonly url: string;
  readonly bodies: unknown[];
}

function collect(status = 200): Collector {
  const bodies: unknown[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    assertEquals(request.headers.get("content-type"), "application/json");
    bodies.push(await request.json());
    return new Response("{}", { status });
  });
  const url = `http://127.0.0.1:${server.addr.port}/v1/traces`;
  return { url, bodies, [Symbol.asyncDispose]: () => server.shutdown() };
}

Deno.test("PageSpan is sent as it is drawn, and as the registry declares it", async () => {
  await using collector = collect();
  const { tracer, flush } = createPageTracer(createSpanExporter(collector.url));
  const span = new PageSpan(tracer, { model: "tiny", route: "/v1/chat/completions" });
  assertMatch(span.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  assertEquals(span.traceparent.split("-").slice(1, 3), [span.traceId, span.spanId]);
  span.event("first_token", nowMs());
  span.end("error", { pieces: 3, message: "the worker died" });
  await flush();
  const [sent] = readOtlpJson(collector.bodies[0]);
  const { startUs, endUs, events, ...rest } = sent!;
  const { startUs: drawnStartUs, endUs: drawnEndUs, events: drawnEvents, ...drawn } = span.view();
  assertAlmostEquals(startUs, drawnStartUs, 1);
  assertAlmostEquals(endUs ?? 0, drawnEndUs ?? 0, 1);
  assertEquals(events.map(({ name }) => name), drawnEvents.map(({ name }) => name));
  assertEquals(rest, drawn);
  assertEquals([rest.status, rest.statusMessage], ["error", "the worker died"]);
  assertEquals(roleOfName(rest.name), "chat_request");
  for (const name of Object.keys(rest.attributes)) {
    assertEquals(attributeSpec("chat_request", name) === null, false, name);
  }
});

Deno.test("createSpanExporter loses what cannot be delivered, and nothing else", async () => {
  await using collector = collect(503);
  const { tracer, flush } = createPageTracer(createSpanExporter(collector.url));
  new PageSpan(tracer, { model: "tiny", route: "/r" }).end("success", { pieces: 0 });
  await flush();
  assertEquals(collector.bodies.length, 1);
});
