/** Telemetry options for tests: fast export, quiet logs. */

import type { TelemetryOptions } from "../../shared/telemetry/mod.ts";

/** Options that export to `tracesUrl`; a test overrides what it is about. */
export function telemetryTestOptions(
  tracesUrl: string,
  overrides: Partial<TelemetryOptions> = {},
): TelemetryOptions {
  return {
    serviceName: "frontend",
    serviceVersion: "1.0.0",
    serviceInstanceId: "i-1",
    resource: {},
    exportEnabled: true,
    tracesUrl,
    exportHeaders: {},
    exportTimeoutMs: 5_000,
    exportProtocol: "http/json",
    exportCompression: "none",
    exportTls: {},
    batchTimeoutMs: 300_000,
    queueSize: 2048,
    batchSize: 512,
    scheduleDelayMs: 20,
    level: 1,
    remoteLevel: 0,
    sampler: { name: "parentbased_always_on", ratio: 1 },
    keep: null,
    spanLimits: {
      attributeCount: 128,
      attributeValueLength: Infinity,
      eventCount: 128,
      linkCount: 128,
      attributePerEventCount: 128,
      attributePerLinkCount: 128,
    },
    propagators: ["tracecontext", "baggage"],
    logJsonl: true,
    logSpanEvents: false,
    logUseLocalTz: false,
    logFile: "",
    logFilter: "off",
    ...overrides,
  };
}
