import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { fromFileUrl } from "@std/path/mod.js";
import { ConfigError, loadSettings } from "./load.ts";
import { telemetryOptions } from "./telemetry_options.ts";

function optionsIn(env: Record<string, string>) {
  return telemetryOptions(loadSettings(env), "frontend", "i");
}

Deno.test("telemetryOptions() keeps no unsampled request unless it is told which", () => {
  assertEquals(optionsIn({}).keep, null);
  const keep = optionsIn({ DYN_TRACE_KEEP_SLOWER_THAN: "2s" }).keep;
  assertEquals(keep, {
    slowerThan: { of: "time", ms: 2000 },
    maxBytes: 64 * 1024 * 1024,
    waitMs: 600_000,
  });
});

for (
  const [text, slowerThan] of [
    ["500ms", { of: "time", ms: 500 }],
    ["0.5S", { of: "time", ms: 500 }],
    ["2m", { of: "time", ms: 120_000 }],
    ["p95*2", { of: "p95", factor: 2 }],
    ["P95 * 1.5", { of: "p95", factor: 1.5 }],
    ["never", null],
  ] as const
) {
  Deno.test(`DYN_TRACE_KEEP_SLOWER_THAN=${text} is understood`, () => {
    assertEquals(optionsIn({ DYN_TRACE_KEEP_SLOWER_THAN: text }).keep?.slowerThan, slowerThan);
  });
}

for (const text of ["2", "p95", "p95*0.5", "p99*2", "-1s", "soon"]) {
  Deno.test(`DYN_TRACE_KEEP_SLOWER_THAN=${text} is refused with what to write`, () => {
    assertThrows(
      () => optionsIn({ DYN_TRACE_KEEP_SLOWER_THAN: text }),
      ConfigError,
      "use a time such as 2s",
    );
  });
}

const PEM = fromFileUrl(new URL("../../tests/kit/tls/ca.pem", import.meta.url));
const EXPORT = { OTEL_EXPORT_ENABLED: "1" };

Deno.test("telemetryOptions() reads the files of TLS, the traces' own before the general ones", () => {
  const { exportTls } = optionsIn({
    ...EXPORT,
    OTEL_EXPORTER_OTLP_CERTIFICATE: "/nowhere.pem",
    OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: PEM,
    OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: PEM,
    OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: PEM,
  });
  const pem = Deno.readTextFileSync(PEM);
  assertEquals(exportTls, { ca: pem, cert: pem, key: pem });
  assertEquals(optionsIn({ OTEL_EXPORTER_OTLP_CERTIFICATE: "/nowhere.pem" }).exportTls, {});
});

Deno.test("telemetryOptions() refuses a file that cannot be read, and a certificate without its key", () => {
  assertThrows(
    () => optionsIn({ ...EXPORT, OTEL_EXPORTER_OTLP_CERTIFICATE: "/nowhere.pem" }),
    ConfigError,
    'Cannot use OTEL_EXPORTER_OTLP_CERTIFICATE="/nowhere.pem"',
  );
  assertThrows(
    () => optionsIn({ ...EXPORT, OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: PEM }),
    ConfigError,
    "set OTEL_EXPORTER_OTLP_CLIENT_KEY too",
  );
  assertThrows(
    () => optionsIn({ ...EXPORT, OTEL_EXPORTER_OTLP_CLIENT_KEY: PEM }),
    ConfigError,
    "set OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE too",
  );
});
