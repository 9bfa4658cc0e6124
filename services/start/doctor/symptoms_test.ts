/** Every row of the troubleshooting page, reproduced. */

import { createServer as createHttp2Server } from "node:http2";
import { assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert/mod.js";
import { loadSettings } from "../../../shared/config/mod.ts";
import { PUBLIC_REGISTRIES } from "../../../shared/download/mod.ts";
import { idleInstance } from "../../../shared/messages/testing/idle_instance.ts";
import type { RunCommand } from "../../../shared/provision/mod.ts";
import type { Machine } from "../machine.ts";
import type { HeardInstance } from "./bus_view.ts";
import { askCollector, type CollectorTarget } from "./collector_probe.ts";
import { busFindings, clockFindings, frontendFindings } from "./deployment_findings.ts";
import { exportFindings } from "./export_findings.ts";
import type { Finding } from "./finding.ts";
import type { FrontendView } from "./frontend_view.ts";
import {
  cacheFinding,
  denoFinding,
  engineFindings,
  natsProgramFinding,
  portFindings,
  spaceFinding,
} from "./machine_findings.ts";
import { logFinding, readSettings } from "./settings_findings.ts";
import { storeFindings, viewStore } from "./store_findings.ts";
import { type Symptom, SYMPTOMS } from "./symptoms.ts";
import { troubleshootingPage } from "./troubleshooting_page.ts";

type Environment = Readonly<Record<string, string>>;

const HERE = { url: "http://h:8000", isGiven: true };
const STORE = { url: "http://h:3200", isGiven: true };

function machine(cacheDir: string, overrides: Partial<Machine> = {}): Machine {
  return {
    os: "linux",
    arch: "aarch64",
    env: { XDG_RUNTIME_DIR: "/tmp" },
    isRoot: false,
    cacheDir,
    registries: PUBLIC_REGISTRIES,
    ...overrides,
  };
}

async function withEmptyCache<T>(use: (cacheDir: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir();
  try {
    return await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A machine on which a probe finds this adapter and no other command exists. */
function adapterProbe(adapter: unknown): RunCommand {
  return (command) =>
    Promise.resolve(
      command[0] === Deno.execPath()
        ? { code: 0, stdout: `${JSON.stringify({ adapter })}\n`, stderr: "" }
        : undefined,
    );
}

/** What the doctor says of engine and model in this environment. */
function engine(env: Environment, adapter: unknown = null): Promise<Finding[]> {
  return withEmptyCache((cacheDir) =>
    engineFindings(machine(cacheDir), {
      settings: loadSettings(env),
      model: env.DYN_MODEL ?? "smollm2-135m-instruct",
      run: adapterProbe(adapter),
    })
  );
}

/** What it says of the export, with a real look at the collector that the environment names. */
function exported(env: Environment): Promise<Finding[]> {
  return exportFindings({
    settings: loadSettings(env),
    env,
    isCollectorAwaited: false,
    deliveredSpans: 0,
    ask: askCollector,
  });
}

function exportTo(port: number): Environment {
  return {
    OTEL_EXPORT_ENABLED: "1",
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
  };
}

async function withHttpServer<T>(
  handler: () => Response,
  use: (port: number) => Promise<T>,
): Promise<T> {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, handler);
  return await use(server.addr.port);
}

/** A port on which HTTP/2 is spoken and nothing else, as gRPC servers do. */
async function withGrpcPort<T>(use: (port: number) => Promise<T>): Promise<T> {
  const server = createHttp2Server();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await use((server.address() as { port: number }).port);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

function closedPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

const WORKER = {
  component: "decode",
  instance_id: "i-1",
  host: "h",
  state: "ready",
  device: { backend: "cpu", adapter: "a CPU", is_software: true },
};

function frontend(overrides: {
  readonly health?: Partial<FrontendView["health"]>;
  readonly telemetry?: Partial<FrontendView["health"]["telemetry"]>;
  readonly contexts?: Partial<FrontendView["contexts"]>;
}): Finding[] {
  const telemetry = { exported_spans: 9, dropped_spans: 0, failed_batches: 0, queued_spans: 0 };
  return frontendFindings(HERE, {
    kind: "baton",
    view: {
      health: {
        status: "healthy",
        stage: "ready",
        models: ["m"],
        instances: [WORKER],
        bus: { is_connected: true },
        ...overrides.health,
        telemetry: { ...telemetry, ...overrides.telemetry },
      },
      contexts: { continued: 1, ignored: 0, absent: 0, ...overrides.contexts },
      clockLeadMs: 0,
    },
  });
}

function heard(delayMs: number): HeardInstance {
  return { delayMs, record: idleInstance({ host: "far" }) };
}

function store(
  names: readonly string[],
  { serviceName = "", exportedSpans = 9 as number | null } = {},
): Finding[] {
  const answer = { kind: "names", names, isOwn: false } as const;
  return storeFindings(STORE, answer, { serviceName, exportedSpans });
}

interface Reproduction {
  readonly find: () => Promise<Finding[]> | Finding[];
  /** Words that the line must have beside the remedy. */
  readonly says: string;
}

const REPRODUCTIONS: Readonly<Record<Symptom, Reproduction>> = {
  "deno-version": { find: () => [denoFinding("2.8.9")], says: "Deno 2.8.9 is too old" },
  "setting-wrong": {
    find: () => [...readSettings({ DYN_HTTP_PORT: "many" }).findings],
    says: 'DYN_HTTP_PORT="many": use a whole number',
  },
  "setting-unknown": {
    find: () => [...readSettings({ DYN_HTPP_PORT: "1" }).findings],
    says: "DYN_HTPP_PORT is set",
  },
  "nats-not-fetched": {
    find: async () => [
      await withEmptyCache((cacheDir) =>
        natsProgramFinding(machine(cacheDir), () => Promise.resolve(undefined))
      ),
    ],
    says: "No nats-server is on the PATH",
  },
  "nats-unreachable": {
    find: () => {
      const reason = "Cannot connect to NATS at h:4222 within 3000 ms: Connection refused";
      const nats = { url: "nats://h:4222", isGiven: true };
      return busFindings(nats, { kind: "unreachable", reason }, {
        namespace: "dynamo",
        frontendWorkers: null,
      });
    },
    says: "Cannot connect to NATS at h:4222",
  },
  "no-workers": {
    find: () => frontend({ health: { status: "no_workers", instances: [], models: [] } }),
    says: "has heard of no worker",
  },
  "software-adapter": {
    find: () => engine({ DYN_DEVICE: "webgpu" }, { description: "llvmpipe", isSoftware: true }),
    says: "llvmpipe, a software adapter",
  },
  "no-gpu": { find: () => engine({ DYN_DEVICE: "cpu" }), says: "Workers compute on the CPU" },
  "no-device": { find: () => engine({ DYN_DEVICE: "webgpu" }), says: "Vulkan" },
  "simulated-engine": {
    find: () => engine({ DYN_ENGINE: "simulated" }),
    says: "DYN_ENGINE=simulated",
  },
  "model-not-fetched": {
    find: () => engine({ DYN_DEVICE: "cpu" }),
    says: "smollm2-135m-instruct is not in the cache",
  },
  "model-wrong": {
    find: () => engine({ DYN_DEVICE: "cpu", DYN_MODEL: "/no/such.gguf" }),
    says: "/no/such.gguf",
  },
  "cache-full": { find: () => [spaceFinding("/cache", 1e6)], says: "/cache has 1 MB free" },
  "cache-read-only": {
    find: async () => [await cacheFinding("/dev/null/cache")],
    says: "Cannot write /dev/null/cache",
  },
  "port-taken": {
    find: () => {
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const { hostname, port } = listener.addr;
      return portFindings([{ hostname, port, purpose: "the API" }]);
    },
    says: "Another program listens at 127.0.0.1:",
  },
  "frontend-unreachable": {
    find: () => frontendFindings(HERE, { kind: "unreachable", reason: "connection refused" }),
    says: "No frontend at http://h:8000: connection refused",
  },
  "export-off": {
    find: () => exported({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318" }),
    says: "OTEL_EXPORTER_OTLP_ENDPOINT names http://c:4318/v1/traces, and OTEL_EXPORT_ENABLED",
  },
  "nothing-sampled": {
    find: () =>
      withHttpServer(
        () => new Response(null),
        (port) => exported({ ...exportTo(port), OTEL_TRACES_SAMPLER: "always_off" }),
      ),
    says: "OTEL_TRACES_SAMPLER=always_off records no trace",
  },
  "collector-unreachable": {
    find: () => exported(exportTo(closedPort())),
    says: "No collector answers at http://127.0.0.1:",
  },
  "collector-grpc-port": {
    find: () => withGrpcPort((port) => exported(exportTo(port))),
    says: "speaks gRPC, not HTTP/1.1",
  },
  "protocol-grpc": {
    find: () => [...readSettings({ OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }).findings],
    says: 'OTEL_EXPORTER_OTLP_PROTOCOL="grpc"',
  },
  "collector-refuses": {
    find: () =>
      withHttpServer(
        () => new Response("no key", { status: 401 }),
        (port) => exported(exportTo(port)),
      ),
    says: "answers 401 (no key)",
  },
  "spans-dropped": {
    find: () => frontend({ telemetry: { dropped_spans: 3 } }),
    says: "has lost 3 spans",
  },
  "no-traceparent": {
    find: () => frontend({ contexts: { continued: 0, absent: 4 } }),
    says: "No request at http://h:8000 came with a traceparent (4 so far)",
  },
  "logs-not-jsonl": {
    find: () => [
      logFinding(loadSettings({ DYN_LOG_DIR: "off" }), { cacheDir: "/cache", isOwnStart: true }),
    ],
    says: "readable text on stderr",
  },
  "store-unreachable": {
    find: async () => {
      const url = `http://127.0.0.1:${closedPort()}`;
      const answer = await viewStore(url, {});
      return storeFindings({ url, isGiven: true }, answer, { serviceName: "", exportedSpans: 9 });
    },
    says: "No store at http://127.0.0.1:",
  },
  "store-empty": { find: () => store([]), says: "has no span" },
  "service-name": {
    find: () => store(["shop-frontend", "shop-decode"]),
    says: "knows shop-decode, shop-frontend, and none of baton-frontend",
  },
  "clock-skew": {
    find: () => clockFindings([heard(-3_200)]),
    says: "The clock of far (decode i-1) is 3.2 s ahead of this one",
  },
};

for (const [symptom, { find, says }] of Object.entries(REPRODUCTIONS)) {
  Deno.test(`the doctor finds ${symptom} and says what to do`, async () => {
    const found = (await find()).find((finding) => finding.symptom === symptom);
    const { grade, text } = found ?? { grade: "good", text: "" };
    assertNotEquals(grade, "good");
    assertStringIncludes(text, says);
    assertStringIncludes(text, SYMPTOMS[symptom as Symptom].remedy);
  });
}

Deno.test("the doctor names variables of tracing that Baton does not read, and not those of other signals", () => {
  const { findings, settings } = readSettings({
    OTEL_EXPORTER_ZIPKIN_ENDPOINT: "http://z:9411",
    OTEL_METRICS_EXPORTER: "otlp",
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: "http://c:4318",
    OTEL_SERVICE_NAME: "a",
  });
  assertEquals(findings.map(({ symptom }) => symptom), ["setting-unknown"]);
  assertStringIncludes(findings[0]?.text ?? "", "OTEL_EXPORTER_ZIPKIN_ENDPOINT is set");
  assertEquals(settings?.OTEL_SERVICE_NAME, "a");
});

Deno.test("the doctor does not call off an export that the frontend makes in another environment", async () => {
  const findings = await exportFindings({
    settings: loadSettings({}),
    env: {},
    isCollectorAwaited: false,
    deliveredSpans: 12,
    ask: askCollector,
  });
  assertEquals(findings.map(({ grade }) => grade), ["good"]);
  assertStringIncludes(findings[0]?.text ?? "", "has delivered 12 spans");
});

Deno.test("the doctor tells of workers that take no requests", () => {
  const [found] = frontend({
    health: { status: "no_workers", instances: [{ ...WORKER, state: "stuck" }], models: [] },
  });
  const heard = "has heard of no decode worker that takes requests, but of a decode worker (stuck)";
  assertStringIncludes(found?.text ?? "", heard);
});

Deno.test("the doctor tells of spans that a worker lost", () => {
  const telemetry = { exported_spans: 4, dropped_spans: 7, failed_batches: 2, queued_spans: 0 };
  const findings = frontend({ health: { instances: [{ ...WORKER, telemetry }] } });
  const lossy = findings.filter(({ symptom }) => symptom === "spans-dropped");
  assertEquals(lossy.length, 1);
  assertStringIncludes(lossy[0]?.text ?? "", "The decode worker i-1 has lost 7 spans");
});

Deno.test("the doctor says nothing of a NATS server that nobody named and no worker of the frontend's is on", () => {
  const nats = { url: "nats://127.0.0.1:4222", isGiven: false };
  const answer = { kind: "connected", pingMs: 1, heard: [heard(3)] } as const;
  const ask = (frontendWorkers: readonly string[]) =>
    busFindings(nats, answer, { namespace: "dynamo", frontendWorkers });
  assertEquals(ask(["other"]), []);
  assertEquals(ask(["i-1"]).map(({ subject }) => subject), ["nats", "clocks"]);
});

Deno.test("the doctor says that the standard's own switch is off", async () => {
  const [found] = await exported({ ...exportTo(4318), OTEL_TRACES_EXPORTER: "none" });
  assertEquals(found?.symptom, "export-off");
  assertStringIncludes(found?.text ?? "", "OTEL_TRACES_EXPORTER is none");
});

Deno.test("the doctor names a certificate that cannot be read", async () => {
  const findings = await exported({
    ...exportTo(4318),
    OTEL_EXPORTER_OTLP_CERTIFICATE: "/no/such.pem",
  });
  assertEquals(findings.map(({ symptom }) => symptom), ["setting-wrong"]);
  assertStringIncludes(findings[0]?.text ?? "", 'OTEL_EXPORTER_OTLP_CERTIFICATE="/no/such.pem"');
});

Deno.test("the doctor finds nothing wrong where all is well", async () => {
  const target: CollectorTarget[] = [];
  const env = exportTo(4318);
  const findings = [
    denoFinding("2.9.6"),
    ...frontend({}),
    ...store(["baton-frontend"]),
    ...store(["shop"], { serviceName: "shop" }),
    ...store([], { exportedSpans: null }),
    // A store that others use too, before the first request.
    ...store([], { exportedSpans: 0 }),
    ...store(["of-others"], { exportedSpans: 0 }),
    ...clockFindings([heard(3)]),
    // Late heartbeats of a busy machine are no matter of its clock.
    ...clockFindings([heard(900)], "far"),
    logFinding(loadSettings({ DYN_LOGGING_JSONL: "1" }), { cacheDir: "/c", isOwnStart: false }),
    ...await exportFindings({
      settings: loadSettings(env),
      env,
      isCollectorAwaited: false,
      deliveredSpans: 0,
      ask: (asked) => {
        target.push(asked);
        return Promise.resolve({ kind: "takes" });
      },
    }),
  ];
  assertEquals(findings.filter(({ grade }) => grade !== "good"), []);
  assertEquals(target.map(({ tracesUrl }) => tracesUrl), ["http://127.0.0.1:4318/v1/traces"]);
});

Deno.test("docs/observability/troubleshooting.md has a row for each of the doctor's symptoms, and no other", async () => {
  const page = await Deno.readTextFile(
    new URL("../../../docs/observability/troubleshooting.md", import.meta.url),
  );
  const rows = [...page.matchAll(/^\|\s+`([a-z-]+)`\s+\|/gm)].map(([, code]) => code);
  assertEquals(rows, Object.keys(SYMPTOMS));
  assertEquals(page, troubleshootingPage());
});
