import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert/mod.js";
import {
  ConfigError,
  configurationPage,
  loadSettings,
  redactedSettings,
  telemetryOptions,
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
  assertStringIncludes(error.message, 'NATS_URL="***": use nats://');
});

Deno.test("loadSettings() refuses a batch larger than the export queue", () => {
  assertThrows(
    () => loadSettings({ OTEL_BSP_MAX_QUEUE_SIZE: "10", OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "20" }),
    ConfigError,
    "must not exceed OTEL_BSP_MAX_QUEUE_SIZE (10)",
  );
});

Deno.test("loadSettings() decodes OTel key=value lists and refuses others", () => {
  const settings = loadSettings({ OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20x, a=b=c" });
  assertEquals(settings.OTEL_EXPORTER_OTLP_HEADERS, { authorization: "Bearer x", a: "b=c" });
  assertThrows(
    () => loadSettings({ OTEL_RESOURCE_ATTRIBUTES: "novalue" }),
    ConfigError,
    "key=value",
  );
});

Deno.test("unknownVariables() lists misspelt DYN_ names only", () => {
  assertEquals(unknownVariables({ DYN_HTPP_PORT: "1", DYN_LOG: "info", OTHER: "x" }), [
    "DYN_HTPP_PORT",
  ]);
});

Deno.test("redactedSettings() masks secrets and keeps to what the service reads", () => {
  const settings = loadSettings({ NATS_URL: "nats://u:p@h:1", OTEL_EXPORTER_OTLP_HEADERS: "k=v" });
  const shown = redactedSettings(settings, "frontend");
  assertEquals(shown.NATS_URL, "***");
  assertEquals(shown.OTEL_EXPORTER_OTLP_HEADERS, "***");
  assertEquals("DYN_MAX_SEQUENCES" in shown, false);
});

Deno.test("telemetryOptions() appends the path to the generic endpoint only", () => {
  const generic = loadSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318/" });
  assertEquals(telemetryOptions(generic, "frontend", "i").tracesUrl, "http://c:4318/v1/traces");
  const exact = loadSettings({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://c:1/own" });
  assertEquals(telemetryOptions(exact, "frontend", "i").tracesUrl, "http://c:1/own");
  assertEquals(telemetryOptions(exact, "frontend", "i").serviceName, "baton-frontend");
});

Deno.test("configurationPage() has a row for every variable", () => {
  const page = configurationPage();
  for (const name of Object.keys(VARIABLES)) assertStringIncludes(page, `| \`${name}\` |`);
});
