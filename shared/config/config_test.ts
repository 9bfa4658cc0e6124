import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert/mod.js";
import {
  ConfigError,
  configurationPage,
  loadSettings,
  redactedSettings,
  shownVariables,
  telemetryOptions,
  tempoHeaders,
  unknownVariables,
  VARIABLES,
} from "./mod.ts";

Deno.test("loadSettings() gives defaults for an empty environment", () => {
  const settings = loadSettings({});
  assertEquals(settings.DYN_HTTP_PORT, 8000);
  assertEquals(settings.DYN_NAMESPACE, "dynamo");
  assertEquals(settings.OTEL_EXPORT_ENABLED, false);
  assertEquals(settings.OTEL_EXPORTER_OTLP_HEADERS, {});
});

Deno.test("loadSettings() knows Dynamo's words for flags, in any case", () => {
  for (const word of ["1", "true", "ON", " Yes "]) {
    assertEquals(loadSettings({ OTEL_EXPORT_ENABLED: word }).OTEL_EXPORT_ENABLED, true, word);
  }
  for (const word of ["0", "False", "off", "no", ""]) {
    assertEquals(loadSettings({ OTEL_EXPORT_ENABLED: word }).OTEL_EXPORT_ENABLED, false, word);
  }
});

Deno.test("loadSettings() takes a device by its word", () => {
  assertEquals(loadSettings({}).DYN_DEVICE, "auto");
  assertEquals(loadSettings({ DYN_DEVICE: " CPU " }).DYN_DEVICE, "cpu");
  assertThrows(
    () => loadSettings({ DYN_DEVICE: "gpu" }),
    ConfigError,
    "use one of auto, webgpu, cpu",
  );
});

Deno.test("loadSettings() names every wrong variable and what to use instead", () => {
  const error = assertThrows(
    () =>
      loadSettings({
        DYN_HTTP_PORT: "70000",
        OTEL_EXPORT_ENABLED: "maybe",
        DYN_NAMESPACE: "a.b",
        NATS_URL: "http://x",
      }),
    ConfigError,
  );
  assertStringIncludes(error.message, 'DYN_HTTP_PORT="70000": use a whole number from 0 to 65535');
  assertStringIncludes(error.message, 'OTEL_EXPORT_ENABLED="maybe": use one of');
  assertStringIncludes(error.message, 'DYN_NAMESPACE="a.b": use letters');
  assertStringIncludes(error.message, 'NATS_URL="[redacted]": use nats://');
});

Deno.test("loadSettings() refuses a batch larger than the export queue", () => {
  assertThrows(
    () => loadSettings({ OTEL_BSP_MAX_QUEUE_SIZE: "10", OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "20" }),
    ConfigError,
    "must not exceed OTEL_BSP_MAX_QUEUE_SIZE (10)",
  );
});

Deno.test("telemetryOptions() makes a batch no larger than a small queue", () => {
  assertEquals(optionsIn({ OTEL_BSP_MAX_QUEUE_SIZE: "100" }).batchSize, 100);
  assertEquals(optionsIn({ OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "20" }).batchSize, 20);
});

Deno.test("telemetryOptions() takes 0 for no time limit, as the specification has it", () => {
  const options = optionsIn({ OTEL_EXPORTER_OTLP_TIMEOUT: "0", OTEL_BSP_EXPORT_TIMEOUT: "0" });
  assertEquals([options.exportTimeoutMs, options.batchTimeoutMs], [2 ** 31 - 1, 2 ** 31 - 1]);
});

Deno.test("loadSettings() takes texts and addresses without the spaces around them", () => {
  const settings = loadSettings({
    OTEL_SERVICE_NAME: " shop ",
    NATS_URL: " nats://h:1\n",
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: " HTTPS://h/x ",
  });
  assertEquals(settings.OTEL_SERVICE_NAME, "shop");
  assertEquals(settings.NATS_URL, "nats://h:1");
  assertEquals(settings.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, "HTTPS://h/x");
});

Deno.test("loadSettings() decodes OTel key=value lists and refuses others", () => {
  const settings = loadSettings({ OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20x, a=b=c" });
  assertEquals(settings.OTEL_EXPORTER_OTLP_HEADERS, { authorization: "Bearer x", a: "b=c" });
  assertThrows(
    () => loadSettings({ OTEL_RESOURCE_ATTRIBUTES: "novalue" }),
    ConfigError,
    "key=value",
  );
  const resource = loadSettings({ OTEL_RESOURCE_ATTRIBUTES: "a%2Cb=c%3Dd,team=,e=f" });
  assertEquals(resource.OTEL_RESOURCE_ATTRIBUTES, { "a,b": "c=d", team: "", e: "f" });
});

Deno.test("loadSettings() refuses headers that HTTP cannot carry", () => {
  for (const list of ["a b=c", "ä=b", "a=x%0Ay", "a=%E2%82%AC"]) {
    const error = assertThrows(
      () => loadSettings({ OTEL_EXPORTER_OTLP_TRACES_HEADERS: list }),
      ConfigError,
    );
    assertStringIncludes(error.message, 'TRACES_HEADERS="[redacted]": use header names of letters');
  }
});

Deno.test("unknownVariables() lists misspelt DYN_ names only", () => {
  assertEquals(unknownVariables({ DYN_HTPP_PORT: "1", DYN_LOG: "info", OTHER: "x" }), [
    "DYN_HTPP_PORT",
  ]);
});

Deno.test("redactedSettings() hides secrets and keeps to what the service reads", () => {
  const settings = loadSettings({
    NATS_URL: "nats://u:p@h:1,nats://k@h:2",
    OTEL_EXPORTER_OTLP_HEADERS: "k=v",
    OTEL_RESOURCE_ATTRIBUTES: "team=a,api_key=abc",
  });
  const shown = redactedSettings(settings, "frontend");
  assertEquals(shown.NATS_URL, "nats://u:[redacted]@h:1,nats://[redacted]@h:2");
  assertEquals(shown.OTEL_EXPORTER_OTLP_HEADERS, '{"k":"[redacted]"}');
  assertEquals(shown.OTEL_RESOURCE_ATTRIBUTES, '{"team":"a","api_key":"[redacted]"}');
  assertEquals("DYN_MAX_SEQUENCES" in shown, false);
});

Deno.test("shownVariables() says of every variable its value and where it came from", () => {
  const shown = shownVariables({ DYN_HTTP_PORT: "9000", DYN_MODEL: " ", NATS_URL: "u:p@h" });
  assertEquals(shown.map(({ name }) => name), Object.keys(VARIABLES));
  const of = (name: string) => shown.find((variable) => variable.name === name);
  assertEquals([of("DYN_HTTP_PORT")?.value, of("DYN_HTTP_PORT")?.source], [9000, "environment"]);
  assertEquals([of("DYN_HTTP_HOST")?.value, of("DYN_HTTP_HOST")?.source], ["127.0.0.1", "default"]);
  assertEquals(of("DYN_MODEL")?.source, "default");
  assertEquals(of("DYN_KV_CACHE_TOKENS")?.value, null);
  assertEquals(of("NATS_URL")?.value, "[redacted]");
  assertStringIncludes(of("NATS_URL")?.problem ?? "", "use nats://");
});

Deno.test("telemetryOptions() appends the path to the generic endpoint only", () => {
  const generic = loadSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318/" });
  assertEquals(telemetryOptions(generic, "frontend", "i").tracesUrl, "http://c:4318/v1/traces");
  const withQuery = loadSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318/otlp/?tenant=a" });
  assertEquals(
    telemetryOptions(withQuery, "frontend", "i").tracesUrl,
    "http://c:4318/otlp/v1/traces?tenant=a",
  );
  const exact = loadSettings({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://c:1/own" });
  assertEquals(telemetryOptions(exact, "frontend", "i").tracesUrl, "http://c:1/own");
  assertEquals(telemetryOptions(exact, "frontend", "i").serviceName, "baton-frontend");
});

/** The telemetry options of a frontend in the environment. */
function optionsIn(env: Record<string, string>) {
  return telemetryOptions(loadSettings(env), "frontend", "i");
}

Deno.test("telemetryOptions() takes the traces' own variable before the general one", () => {
  const general = {
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_EXPORTER_OTLP_HEADERS: "a=1,b=2",
    OTEL_EXPORTER_OTLP_TIMEOUT: "7",
    OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
  };
  const ofGeneral = optionsIn(general);
  assertEquals(ofGeneral.exportProtocol, "http/json");
  assertEquals(ofGeneral.exportHeaders, { a: "1", b: "2" });
  assertEquals(ofGeneral.exportTimeoutMs, 7);
  assertEquals(ofGeneral.exportCompression, "gzip");
  const own = optionsIn({
    ...general,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/protobuf",
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: "c=3",
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "8",
    OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: "none",
  });
  assertEquals(own.exportProtocol, "http/protobuf");
  assertEquals(own.exportHeaders, { c: "3" });
  assertEquals(own.exportTimeoutMs, 8);
  assertEquals(own.exportCompression, "none");
});

Deno.test("telemetryOptions() has the specification's defaults, a larger queue and a shorter delay", () => {
  const options = optionsIn({});
  assertEquals([options.exportProtocol, options.exportCompression], ["http/protobuf", "none"]);
  assertEquals(options.exportTimeoutMs, 10_000);
  assertEquals(options.sampler, { name: "parentbased_always_on", ratio: 1 });
  assertEquals(options.propagators, ["tracecontext", "baggage"]);
  assertEquals(options.spanLimits, {
    attributeCount: 128,
    attributeValueLength: Infinity,
    eventCount: 128,
    linkCount: 128,
    attributePerEventCount: 128,
    attributePerLinkCount: 128,
  });
  assertEquals([options.queueSize, options.batchSize, options.scheduleDelayMs], [8192, 512, 1000]);
  assertEquals([options.level, options.remoteLevel], [1, 0]);
});

Deno.test("telemetryOptions() reads limits, the general one where there is none of its own", () => {
  const { spanLimits } = optionsIn({
    OTEL_ATTRIBUTE_COUNT_LIMIT: "9",
    OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: "100",
    OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: "8",
    OTEL_SPAN_EVENT_COUNT_LIMIT: "0",
    OTEL_SPAN_LINK_COUNT_LIMIT: "3",
    OTEL_LINK_ATTRIBUTE_COUNT_LIMIT: "2",
  });
  assertEquals(spanLimits, {
    attributeCount: 8,
    attributeValueLength: 100,
    eventCount: 0,
    linkCount: 3,
    attributePerEventCount: 9,
    attributePerLinkCount: 2,
  });
});

Deno.test("telemetryOptions() names the service and its place as the environment says", () => {
  assertEquals(optionsIn({ OTEL_SERVICE_NAME: "a" }).serviceName, "a");
  const inAttributes = { OTEL_RESOURCE_ATTRIBUTES: "service.name=b,team=x%20y" };
  assertEquals(optionsIn(inAttributes).serviceName, "b");
  assertEquals(optionsIn({ ...inAttributes, OTEL_SERVICE_NAME: "a" }).serviceName, "a");
  assertEquals(
    optionsIn({
      ...inAttributes,
      DYN_NAMESPACE: "prod",
      POD_NAME: "p",
      POD_UID: "u",
      POD_NAMESPACE: "n",
      NODE_NAME: "h",
      CONTAINER_NAME: "c",
    }).resource,
    {
      "service.namespace": "prod",
      "k8s.pod.name": "p",
      "k8s.pod.uid": "u",
      "k8s.namespace.name": "n",
      "k8s.node.name": "h",
      "k8s.container.name": "c",
      team: "x y",
    },
  );
});

Deno.test("telemetryOptions() exports nothing where the standard's own switch says so", () => {
  const exported = (exporter: string) =>
    optionsIn({ OTEL_EXPORT_ENABLED: "1", OTEL_TRACES_EXPORTER: exporter }).exportEnabled;
  assertEquals([exported(""), exported("OTLP"), exported("none")], [true, true, false]);
});

Deno.test("telemetryOptions() makes no spans where the SDK is disabled", () => {
  assertEquals(optionsIn({ OTEL_SDK_DISABLED: "TRUE", DYN_TRACE_LEVEL: "2" }).level, 0);
  assertEquals(optionsIn({ OTEL_SDK_DISABLED: "false", DYN_TRACE_LEVEL: "2" }).level, 2);
});

Deno.test("loadSettings() reads propagators in their order", () => {
  const propagatorsOf = (list: string) => loadSettings({ OTEL_PROPAGATORS: list }).OTEL_PROPAGATORS;
  assertEquals(propagatorsOf("b3, tracecontext"), ["b3", "tracecontext"]);
  assertEquals(propagatorsOf("B3Multi"), ["b3multi"]);
  assertEquals(propagatorsOf("b3,b3,baggage,b3"), ["b3", "baggage"]);
  assertEquals(propagatorsOf("none"), []);
});

Deno.test("loadSettings() refuses by name what Baton cannot do as the specification says", () => {
  const refused: [string, string, string][] = [
    [
      "OTEL_EXPORTER_OTLP_PROTOCOL",
      "grpc",
      "use http/protobuf, which collectors take on port 4318",
    ],
    ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http", "use one of http/protobuf, http/json"],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/v1/traces", "leave /v1/traces out"],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:99999", "use an http:// or https:// URL"],
    ["OTEL_TRACES_EXPORTER", "zipkin", "use one of otlp, none"],
    ["OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "use one of none, gzip"],
    ["OTEL_TRACES_SAMPLER", "jaeger_remote", "use one of parentbased_always_on"],
    ["OTEL_TRACES_SAMPLER_ARG", "1.5", "use a number from 0 to 1"],
    ["OTEL_PROPAGATORS", "tracecontext,xray", "use tracecontext, baggage, b3, b3multi"],
    ["OTEL_PROPAGATORS", "none,b3", "or none alone"],
    ["OTEL_SDK_DISABLED", "1", "use one of true, false"],
    ["OTEL_BSP_EXPORT_TIMEOUT", "soon", "use a whole number"],
    ["OTEL_SPAN_EVENT_COUNT_LIMIT", "-1", "use a whole number"],
    ["DYN_TRACE_LEVEL_REMOTE", "4", "use a whole number from 0 to 3"],
    ["TEMPO_QUERY_URL", "http://[tempo", "use an http:// or https:// URL"],
    ["DYN_LOG", "info,bus", "Cannot read log filter directive"],
  ];
  for (const [name, value, hint] of refused) {
    const error = assertThrows(() => loadSettings({ [name]: value }), ConfigError);
    assertStringIncludes(error.message, `Cannot use ${name}="${value}": `);
    assertStringIncludes(error.message, hint);
  }
});

Deno.test("loadSettings() takes any text for any variable, or refuses it with a sentence", () => {
  const hostile = [
    "",
    " ",
    "\n\0",
    "\ud800",
    "NaN",
    "-1",
    "9".repeat(400),
    "https://h:99999",
    "nats://[",
  ];
  const pairs = [
    "a=%",
    "=",
    ",,",
    "__proto__=x",
    "constructor",
    "p95*",
    "*=info",
    "x".repeat(10_000),
  ];
  for (const name of Object.keys(VARIABLES)) {
    for (const text of [...hostile, ...pairs]) {
      try {
        telemetryOptions(loadSettings({ [name]: text }), "frontend", "i");
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        assertStringIncludes(error.message, `Cannot use ${name}="`);
      }
    }
  }
});

Deno.test("tempoHeaders() gives credentials to the Tempo that they are for, and to no other", () => {
  const env = {
    TEMPO_QUERY_URL: "https://hosted.example/tempo",
    TEMPO_QUERY_HEADERS: "x-key=abc",
  };
  const settings = loadSettings(env);
  assertEquals(tempoHeaders(settings, "https://hosted.example/tempo"), { "x-key": "abc" });
  assertEquals(tempoHeaders(settings, "http://hosted.example/tempo"), {});
  assertEquals(tempoHeaders(settings, "http://127.0.0.1:3200"), {});
  const unnamed = loadSettings({ ...env, TEMPO_QUERY_URL: "" });
  assertEquals(tempoHeaders(unnamed, "http://127.0.0.1:3200"), { "x-key": "abc" });
});

Deno.test("configurationPage() has a row for every variable", () => {
  const page = configurationPage();
  for (const name of Object.keys(VARIABLES)) assertStringIncludes(page, `| \`${name}\` |`);
});
