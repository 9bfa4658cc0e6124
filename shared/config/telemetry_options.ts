/** Telemetry options of a service from its settings. */

import { join } from "@std/path/mod.js";
import type {
  ExportTls,
  KeepOptions,
  ResourceAttributes,
  SpanLimits,
  TelemetryOptions,
} from "../telemetry/telemetry.ts";
import { ConfigError } from "./load.ts";
import { tracesUrl } from "./telemetry_schemas.ts";
import type { Settings } from "./variables.ts";
import { VERSION } from "./version.ts";

/** Spans in one export, unless the environment says how many. */
const MAX_BATCH_SIZE = 512;

/** `service` is the default service name after `baton-`. */
export function telemetryOptions(
  settings: Settings,
  service: string,
  instanceId: string,
): TelemetryOptions {
  return {
    serviceName: givenServiceName(settings) || `baton-${service}`,
    serviceVersion: VERSION,
    serviceInstanceId: instanceId,
    resource: resourceAttributes(settings),
    exportEnabled: settings.OTEL_EXPORT_ENABLED && settings.OTEL_TRACES_EXPORTER === "otlp",
    tracesUrl: settings.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ||
      tracesUrl(settings.OTEL_EXPORTER_OTLP_ENDPOINT),
    exportHeaders: settings.OTEL_EXPORTER_OTLP_TRACES_HEADERS ??
      settings.OTEL_EXPORTER_OTLP_HEADERS,
    exportTimeoutMs: timeLimitMs(
      settings.OTEL_EXPORTER_OTLP_TRACES_TIMEOUT ?? settings.OTEL_EXPORTER_OTLP_TIMEOUT,
    ),
    exportProtocol: settings.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ??
      settings.OTEL_EXPORTER_OTLP_PROTOCOL ?? "http/protobuf",
    exportCompression: settings.OTEL_EXPORTER_OTLP_TRACES_COMPRESSION ??
      settings.OTEL_EXPORTER_OTLP_COMPRESSION ?? "none",
    exportTls: exportTls(settings),
    batchTimeoutMs: timeLimitMs(settings.OTEL_BSP_EXPORT_TIMEOUT),
    queueSize: settings.OTEL_BSP_MAX_QUEUE_SIZE,
    batchSize: settings.OTEL_BSP_MAX_EXPORT_BATCH_SIZE ??
      Math.min(MAX_BATCH_SIZE, settings.OTEL_BSP_MAX_QUEUE_SIZE),
    scheduleDelayMs: settings.OTEL_BSP_SCHEDULE_DELAY,
    level: settings.OTEL_SDK_DISABLED ? 0 : settings.DYN_TRACE_LEVEL as 0 | 1 | 2 | 3,
    remoteLevel: settings.DYN_TRACE_LEVEL_REMOTE as 0 | 1 | 2 | 3,
    sampler: { name: settings.OTEL_TRACES_SAMPLER, ratio: settings.OTEL_TRACES_SAMPLER_ARG },
    keep: keepOptions(settings),
    spanLimits: spanLimits(settings),
    propagators: settings.OTEL_PROPAGATORS,
    logJsonl: settings.DYN_LOGGING_JSONL,
    logSpanEvents: settings.DYN_LOGGING_SPAN_EVENTS,
    logUseLocalTz: settings.DYN_LOG_USE_LOCAL_TZ,
    logFile: logFile(settings.DYN_LOG_DIR, service),
    logFilter: settings.DYN_LOG,
  };
}

/** For the specification 0 is no limit; a timer takes this much at most. */
function timeLimitMs(ms: number): number {
  return ms === 0 ? 2 ** 31 - 1 : ms;
}

/** The service name that the operator set, in either of two places; empty where there is none. */
export function givenServiceName(settings: Settings): string {
  return settings.OTEL_SERVICE_NAME || (settings.OTEL_RESOURCE_ATTRIBUTES["service.name"] ?? "");
}

function resourceAttributes(settings: Settings): ResourceAttributes {
  const { "service.name": _, ...given } = settings.OTEL_RESOURCE_ATTRIBUTES;
  const found = {
    "service.namespace": settings.DYN_NAMESPACE,
    "k8s.pod.name": settings.POD_NAME,
    "k8s.pod.uid": settings.POD_UID,
    "k8s.namespace.name": settings.POD_NAMESPACE,
    "k8s.node.name": settings.NODE_NAME,
    "k8s.container.name": settings.CONTAINER_NAME,
  };
  return {
    ...Object.fromEntries(Object.entries(found).filter(([, value]) => value !== "")),
    ...given,
  };
}

/** Throws a ConfigError for a file that cannot be read, or a certificate without its key. */
function exportTls(settings: Settings): ExportTls {
  const ca = readPem(settings, "CERTIFICATE");
  const cert = readPem(settings, "CLIENT_CERTIFICATE");
  const key = readPem(settings, "CLIENT_KEY");
  if ((cert === undefined) !== (key === undefined)) {
    const [given, missing] = cert === undefined
      ? ["CLIENT_KEY", "CLIENT_CERTIFICATE"]
      : ["CLIENT_CERTIFICATE", "CLIENT_KEY"];
    throw new ConfigError(
      `Cannot use OTEL_EXPORTER_OTLP_${given}: set OTEL_EXPORTER_OTLP_${missing} too`,
    );
  }
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}

function readPem(
  settings: Settings,
  what: "CERTIFICATE" | "CLIENT_CERTIFICATE" | "CLIENT_KEY",
): string | undefined {
  const ofTraces = `OTEL_EXPORTER_OTLP_TRACES_${what}` as const;
  const name = settings[ofTraces] === "" ? `OTEL_EXPORTER_OTLP_${what}` as const : ofTraces;
  const path = settings[name];
  if (path === "" || !settings.OTEL_EXPORT_ENABLED) return undefined;
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(
      `Cannot use ${name}="${path}": name a PEM file that can be read (${reason})`,
    );
  }
}

function keepOptions(settings: Settings): KeepOptions | null {
  const slowerThan = settings.DYN_TRACE_KEEP_SLOWER_THAN;
  return slowerThan === undefined ? null : {
    slowerThan,
    maxBytes: settings.DYN_TRACE_KEEP_MAX_MB * 1024 * 1024,
    waitMs: settings.DYN_TRACE_KEEP_WAIT_MS,
  };
}

function spanLimits(settings: Settings): SpanLimits {
  const attributes = settings.OTEL_ATTRIBUTE_COUNT_LIMIT;
  return {
    attributeCount: settings.OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT ?? attributes,
    attributeValueLength: settings.OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT ??
      settings.OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT ?? Infinity,
    eventCount: settings.OTEL_SPAN_EVENT_COUNT_LIMIT,
    linkCount: settings.OTEL_SPAN_LINK_COUNT_LIMIT,
    attributePerEventCount: settings.OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT ?? attributes,
    attributePerLinkCount: settings.OTEL_LINK_ATTRIBUTE_COUNT_LIMIT ?? attributes,
  };
}

/** Where the services that `task start` runs keep their logs; "off" for nowhere. */
export function serviceLogDir(settings: Settings, cacheDir: string): string {
  return settings.DYN_LOG_DIR || join(cacheDir, "logs");
}

function logFile(folder: string, service: string): string {
  return folder === "" || folder === "off" ? "" : join(folder, `${service}.jsonl`);
}
