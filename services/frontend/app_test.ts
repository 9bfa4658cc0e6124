import { assertEquals, assertMatch } from "@std/assert/mod.js";
import { modelListSchema } from "../../shared/openai/mod.ts";
import { FakeModel, modelCard } from "./testing/fake_worker.ts";
import { FrontendKit } from "./testing/frontend_kit.ts";

Deno.test("GET /v1/models lists what can be asked for, with its context length", async () => {
  using kit = await FrontendKit.start();
  assertEquals((await (await kit.get("/v1/models")).json()).data, []);
  await kit.pair();
  const list = modelListSchema.parse(await (await kit.get("/v1/models")).json());
  assertEquals(list.data, [{
    id: "tiny",
    object: "model",
    created: 1_700_000_000,
    owned_by: "baton",
    context_length: 128,
    parameter_count: 1000,
  }]);
});

Deno.test("GET /v1/models/{model} finds names with slashes, and 404s in the envelope", async () => {
  const model = await FakeModel.create("x", modelCard({ name: "org/tiny" }));
  using kit = await FrontendKit.start({ model });
  await kit.pair();
  for (const path of ["/v1/models/org/tiny", "/v1/models/org%2Ftiny"]) {
    assertEquals((await (await kit.get(path)).json()).id, "org/tiny", path);
  }
  const missing = await kit.get("/v1/models/none");
  assertEquals([missing.status, (await missing.json()).error.code], [404, "model_not_found"]);
});

Deno.test("GET /v1/models/{model} says of a model without workers what a request for it is told", async () => {
  using kit = await FrontendKit.start();
  const worker = { role: "decode", instanceId: "d1" } as const;
  await kit.worker(worker);
  await kit.worker({ ...worker, state: "stuck" });
  for (const leave of [() => {}, () => kit.bus.instances.remove("d1")]) {
    leave();
    const one = await kit.get("/v1/models/tiny");
    assertEquals(one.headers.get("retry-after"), "1");
    const asked = await kit.chat();
    assertEquals([one.status, (await one.json()).error.code], [503, "no_workers"]);
    assertEquals([asked.status, (await asked.json()).error.code], [503, "no_workers"]);
    assertEquals((await (await kit.get("/v1/models")).json()).data, []);
  }
  assertEquals(kit.telemetry.lines.filter(({ level }) => level === "error"), []);
});

Deno.test("GET /health is 503 until a decode worker serves a model", async () => {
  using kit = await FrontendKit.start();
  const empty = await kit.get("/health");
  assertEquals([empty.status, (await empty.json()).status], [503, "no_workers"]);
  await kit.worker({ role: "prefill", instanceId: "p1" });
  assertEquals((await kit.get("/health")).status, 503);
  await kit.worker({ role: "decode", instanceId: "d1", load: { runningSequences: 2 } });
  const response = await kit.get("/health");
  const body = await response.json();
  assertEquals([response.status, body.status, body.models], [200, "healthy", ["tiny"]]);
  assertEquals(body.endpoints, ["dyn://test.decode.generate", "dyn://test.prefill.generate"]);
  assertEquals(body.instances[1], {
    namespace: "test",
    component: "decode",
    endpoint: "generate",
    instance_id: "d1",
    model: "tiny",
    host: "host",
    state: "ready",
    device: { backend: "webgpu", adapter: "fake", is_software: true },
    running: 2,
    waiting: 0,
    used_blocks: 0,
    total_blocks: 64,
    telemetry: { exported_spans: 7, dropped_spans: 0, failed_batches: 1, queued_spans: 2 },
  });
});

Deno.test("GET /live answers whatever the workers do", async () => {
  using kit = await FrontendKit.start();
  const response = await kit.get("/live");
  assertEquals([response.status, await response.json()], [200, { status: "live" }]);
});

Deno.test("GET /metrics counts requests by model, endpoint, type and outcome", async () => {
  using kit = await FrontendKit.start();
  await kit.pair();
  await (await kit.chat()).text();
  await (await kit.complete({ stream: true })).text();
  const page = await (await kit.get("/metrics")).text();
  const ended = (endpoint: string, type: string) =>
    new RegExp(
      `dynamo_frontend_requests_total\\{model="tiny",endpoint="${endpoint}",` +
        `request_type="${type}",status="success",error_type=""\\} 1`,
    );
  assertMatch(page, ended("chat_completions", "unary"));
  assertMatch(page, ended("completions", "stream"));
  assertMatch(page, /time_to_first_token_seconds_count\{model="tiny"\} 2/);
  assertMatch(page, /output_tokens_total\{model="tiny"\} 26/);
  assertMatch(page, /inflight_requests\{model="tiny"\} 0/);
});

Deno.test("GET /openapi.json describes every route, with resolvable references", async () => {
  using kit = await FrontendKit.start();
  const document = await (await kit.get("/openapi.json")).json();
  assertEquals(document.openapi, "3.1.0");
  assertEquals(Object.keys(document.paths).sort(), [
    "/health",
    "/live",
    "/metrics",
    "/requests",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/models",
    "/v1/models/{model}",
  ]);
  const { post } = document.paths["/v1/chat/completions"];
  assertEquals(Object.keys(post.responses).sort(), [
    "200",
    "400",
    "404",
    "405",
    "413",
    "415",
    "500",
    "503",
    "504",
  ]);
  const schema = post.requestBody.content["application/json"].schema;
  assertEquals(schema.required.sort(), ["messages", "model"]);
  const { stop, metadata, stream_options, messages } = schema.properties;
  assertEquals([stop.anyOf[1].maxItems, metadata.maxProperties], [4, 16]);
  const [, parts] = messages.items.properties.content.anyOf;
  for (const closed of [stream_options, parts.items]) {
    assertEquals(closed.additionalProperties, false);
  }
  const completion = document.paths["/v1/completions"].post.requestBody.content["application/json"];
  const [, oneText] = completion.schema.properties.prompt.anyOf;
  assertEquals([oneText.minItems, oneText.maxItems], [1, 1]);
  const [header] = post.parameters;
  assertEquals([header.in, header.name, header.required], ["header", "x-baton-timings", false]);
  for (const type of ["application/json", "text/event-stream"]) {
    const { properties } = post.responses["200"].content[type].schema;
    assertEquals(Object.keys(properties.timings.properties).includes("token_offsets_ms"), true);
  }
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)];
  for (const [, path] of references) {
    const target = path.split("/").reduce((node, key) => node?.[key], document);
    assertEquals(typeof target, "object", path);
  }
});

Deno.test("An unknown URL is refused with the envelope", async () => {
  using kit = await FrontendKit.start();
  const response = await kit.get("/v1/nothing");
  assertEquals([response.status, (await response.json()).error.code], [404, "not_found"]);
});
