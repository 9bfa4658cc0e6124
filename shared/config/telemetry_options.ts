/** Telemetry options of a service from its settings. */

import { hostname } from "node:os";
import { join } from "@std/path/mod.js";
import type { TelemetryOptions } from "../telemetry/telemetry.ts";
import type { Settings } from "./variables.ts";
import { VERSION } from "./version.ts";

/** `service` is the default service name after `baton-`. */
export function telemetryOptions(
  settings: Settings,
  service: string,
  instanceId: string,
): TelemetryOptions {
  const base = settings.OTEL_EXPORTER_OTLP_ENDPOINT.replace(/\/+$/, "");
  return {
    serviceName: settings.OTEL_SERVICE_NAME || `baton-${service}`,
    serviceVersion: VERSION,
    serviceInstanceId: instanceId,
    resource: {
      "service.namespace": settings.DYN_NAMESPACE,
      "host.name": hostname(),
      ...settings.OTEL_RESOURCE_ATTRIBUTES,
    },
    exportEnabled: settings.OTEL_EXPORT_ENABLED,
    tracesUrl: settings.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || `${base}/v1/traces`,
    exportHeaders: settings.OTEL_EXPORTER_OTLP_HEADERS,
    exportTimeoutMs: settings.OTEL_EXPORTER_OTLP_TIMEOUT,
    queueSize: settings.OTEL_BSP_MAX_QUEUE_SIZE,
    batchSize: settings.OTEL_BSP_MAX_EXPORT_BATCH_SIZE,
    scheduleDelayMs: settings.OTEL_BSP_SCHEDULE_DELAY,
    level: settings.DYN_TRACE_LEVEL as 0 | 1 | 2 | 3,
    logJsonl: settings.DYN_LOGGING_JSONL,
    logSpanEvents: settings.DYN_LOGGING_SPAN_EVENTS,
    logUseLocalTz: settings.DYN_LOG_USE_LOCAL_TZ,
    logFile: logFile(settings.DYN_LOG_DIR, service),
    logFilter: settings.DYN_LOG,
  };
}

/** Where the services that `task start` runs keep their logs; "off" for nowhere. */
export function serviceLogDir(settings: Settings, cacheDir: string): string {
  return settings.DYN_LOG_DIR || join(cacheDir, "logs");
}

function logFile(folder: string, service: string): string {
  return folder === "" || folder === "off" ? "" : join(folder, `${service}.jsonl`);
}
