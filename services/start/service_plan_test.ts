import { assert, assertEquals, assertNotEquals } from "@std/assert/mod.js";
import { loadSettings, unknownVariables } from "../../shared/config/mod.ts";
import { PARENT_WATCH_FLAG } from "../../shared/provision/mod.ts";
import { choosePort, isPortFree } from "./ports.ts";
import { answersAs, answersOk, greetsAsNats, servesWorkers } from "./readiness.ts";
import { exportTo, planServices, planTraces, type ServicesOptions } from "./service_plan.ts";

const OPTIONS: ServicesOptions = {
  natsUrl: "nats://127.0.0.1:4222",
  model: { path: "/cache/m.gguf", name: "m", digest: "d".repeat(64) },
  http: { hostname: "127.0.0.1", port: 8000 },
  prefillCount: 1,
  decodeCount: 1,
  instanceId: "",
  serviceName: "",
  logDir: "/cache/logs",
  exportEnv: { OTEL_EXPORT_ENABLED: "1" },
  deviceEnv: { XDG_RUNTIME_DIR: "/run/x" },
};

Deno.test("planServices runs each service with what it needs, bound to its parent", () => {
  const { workers, frontend } = planServices(OPTIONS);
  assertEquals(workers.map(({ name }) => name), ["prefill", "decode"]);
  for (const service of [...workers, frontend]) {
    assertEquals(service.command.at(-1), PARENT_WATCH_FLAG);
    const env = service.env();
    assertEquals(env.NATS_URL, OPTIONS.natsUrl);
    assertEquals(env.DYN_LOG_DIR, OPTIONS.logDir);
  }
  for (const worker of workers) {
    const env = worker.env();
    assertEquals(env.DYN_MODEL, "/cache/m.gguf");
    assertEquals(env.DYN_MODEL_NAME, "m");
    assertEquals(env.DYN_MODEL_DIGEST, OPTIONS.model.digest);
    assertEquals(env.XDG_RUNTIME_DIR, "/run/x");
    assertEquals(worker.url, `http://127.0.0.1:${env.DYN_SYSTEM_PORT}`);
  }
  assertEquals(frontend.env().DYN_HTTP_PORT, "8000");
  assertEquals(frontend.env().DYN_MODEL, undefined);
});

Deno.test("planServices sets only variables that the configuration knows and accepts", () => {
  const { workers, frontend } = planServices(OPTIONS);
  for (const service of [...workers, frontend]) {
    const env = service.env();
    assertEquals(unknownVariables(env), []);
    loadSettings(env);
  }
});

Deno.test("planServices gives a worker another port where a program took its own before it starts", () => {
  const [worker] = planServices(OPTIONS).workers;
  const { port, hostname } = new URL(worker!.url);
  const taken = Deno.listen({ hostname, port: Number(port) });
  const { DYN_SYSTEM_PORT } = worker!.env();
  taken.close();
  assertNotEquals(DYN_SYSTEM_PORT, port);
  assertEquals(worker!.url, `http://127.0.0.1:${DYN_SYSTEM_PORT}`);
});

Deno.test("planServices numbers several workers and gives each its own port", () => {
  const { workers } = planServices({ ...OPTIONS, prefillCount: 0, decodeCount: 3 });
  assertEquals(workers.map(({ name }) => name), ["decode-1", "decode-2", "decode-3"]);
  assertEquals(new Set(workers.map(({ url }) => url)).size, 3);
});

Deno.test("planServices gives each service an identity of its own where one is set", () => {
  const { workers, frontend } = planServices({ ...OPTIONS, decodeCount: 2, instanceId: "box" });
  assertEquals(
    [...workers, frontend].map(({ env }) => env().DYN_INSTANCE_ID),
    ["box-prefill", "box-decode-1", "box-decode-2", "box-frontend"],
  );
});

Deno.test("planServices gives each role a service name of its own where one is set", () => {
  const { workers, frontend } = planServices({ ...OPTIONS, decodeCount: 2, serviceName: "shop" });
  assertEquals(
    [...workers, frontend].map(({ env }) => env().OTEL_SERVICE_NAME),
    ["shop-prefill", "shop-decode", "shop-decode", "shop-frontend"],
  );
});

Deno.test("planServices shows an address that a browser can open", () => {
  const urlOf = (hostname: string) =>
    planServices({ ...OPTIONS, http: { hostname, port: 8000 } }).frontend.url;
  assertEquals(urlOf("0.0.0.0"), "http://127.0.0.1:8000");
  assertEquals(urlOf("::1"), "http://[::1]:8000");
  assertEquals(urlOf("box.example"), "http://box.example:8000");
});

Deno.test("choosePort takes the preferred port unless it is taken, and none twice", () => {
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  assertEquals(isPortFree("127.0.0.1", port), false);
  assertNotEquals(choosePort("127.0.0.1", port), port);
  taken.close();
  // Another program may take a port that was just free; not many times in a row.
  let free = port;
  for (let tries = 0; choosePort("127.0.0.1", free) !== free; tries += 1) {
    assert(tries < 20, "no preferred port was taken though free");
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    free = listener.addr.port;
  }
  assertNotEquals(choosePort("127.0.0.1", free), free);
  const ports = Array.from({ length: 200 }, () => choosePort("127.0.0.1", 0));
  assertEquals(new Set(ports).size, ports.length);
});

Deno.test("answersOk is true for 200 only, and false where nobody listens", async () => {
  let status = 200;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("x", { status }),
  );
  const url = `http://127.0.0.1:${server.addr.port}/health`;
  assertEquals(await answersOk(url), true);
  status = 503;
  assertEquals(await answersOk(url), false);
  await server.shutdown();
  assertEquals(await answersOk(url), false);
});

Deno.test("answersAs is true for the worker with the id only", async () => {
  let body = JSON.stringify({ status: "ready", instance_id: "w-1" });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(body),
  );
  const url = `http://127.0.0.1:${server.addr.port}/health`;
  assertEquals(await answersAs(url, "w-1"), true);
  assertEquals(await answersAs(url, "w-2"), false);
  body = "no JSON";
  assertEquals(await answersAs(url, "w-1"), false);
  await server.shutdown();
});

Deno.test("servesWorkers waits for a healthy frontend that has heard of every worker", async () => {
  let status = 200;
  let body = JSON.stringify({ instances: [{ instance_id: "a" }, { instance_id: "b" }] });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(body, { status }),
  );
  const url = `http://127.0.0.1:${server.addr.port}/health`;
  assertEquals(await servesWorkers(url, ["a"]), true);
  assertEquals(await servesWorkers(url, ["a", "b"]), true);
  assertEquals(await servesWorkers(url, ["a", "c"]), false);
  status = 503;
  assertEquals(await servesWorkers(url, ["a"]), false);
  [status, body] = [200, "no JSON"];
  assertEquals(await servesWorkers(url, ["a"]), false);
  await server.shutdown();
  assertEquals(await servesWorkers(url, ["a"]), false);
});

Deno.test("greetsAsNats knows a NATS server by the name in its greeting, however it is cut", async () => {
  async function greeting(...words: readonly string[]): Promise<boolean> {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const asked = greetsAsNats({ hostname: "127.0.0.1", port: listener.addr.port }, "mine");
    using connection = await listener.accept();
    for (const word of words) await connection.write(new TextEncoder().encode(word));
    await connection.closeWrite();
    return await asked;
  }
  assertEquals(await greeting('INFO {"server_name":"mine"}\r\n'), true);
  assertEquals(await greeting('INFO {"server_', 'name":"mine"} \r\nPING\r\n'), true);
  assertEquals(await greeting('INFO {"server_name":"other"}\r\n'), false);
  assertEquals(await greeting("INFO {"), false);
  assertEquals(await greeting("HTTP/1.1 200 OK\r\n"), false);
});

Deno.test("planTraces() gives the service its ports, and its addresses to the others", () => {
  const plan = planTraces({
    hostname: "0.0.0.0",
    otlpPort: 4318,
    queryPort: 3200,
    frontend: { hostname: "0.0.0.0", port: 8000 },
    logDir: "/cache/logs",
  });
  assertEquals([plan.url, plan.otlpUrl], ["http://127.0.0.1:3200", "http://127.0.0.1:4318"]);
  assertEquals(unknownVariables(plan.env()), []);
  const settings = loadSettings(plan.env());
  assertEquals([settings.DYN_TRACES_OTLP_PORT, settings.DYN_TRACES_QUERY_PORT], [4318, 3200]);
  assertEquals(settings.DYN_TRACES_FRONTEND_URL, "http://127.0.0.1:8000");
  assertEquals(settings.DYN_LOG_DIR, "/cache/logs");
});

Deno.test("planTraces() with a Tempo takes no spans, and exportTo() leaves the place to the environment", () => {
  const { otlpUrl, env } = planTraces({
    hostname: "127.0.0.1",
    otlpPort: null,
    queryPort: 3200,
    frontend: { hostname: "127.0.0.1", port: 8000 },
    logDir: "off",
  });
  assertEquals(otlpUrl, null);
  assertEquals("DYN_TRACES_OTLP_PORT" in env, false);
  assertEquals(exportTo(null, {}), { OTEL_EXPORT_ENABLED: "1" });
  assertEquals(exportTo(null, { OTEL_EXPORTER_OTLP_ENDPOINT: "http://tempo:4318" }), {
    OTEL_EXPORT_ENABLED: "1",
  });
});

Deno.test("exportTo() turns export on unless the environment says otherwise", () => {
  const here = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" };
  assertEquals(exportTo("http://127.0.0.1:1", {}), { OTEL_EXPORT_ENABLED: "1", ...here });
  assertEquals(exportTo("http://127.0.0.1:1", { OTEL_EXPORT_ENABLED: "0" }), {
    OTEL_EXPORT_ENABLED: "0",
    ...here,
  });
  assertEquals(exportTo(undefined, {}), {});
  for (const name of ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]) {
    const env = { [name]: "http://tempo:4318" };
    assertEquals(exportTo("http://127.0.0.1:1", env), { OTEL_EXPORT_ENABLED: "1" });
    assertEquals(exportTo(undefined, env), { OTEL_EXPORT_ENABLED: "1" });
  }
});
