/** Whether spans leave, and whether the collector takes them. */

import { ConfigError, type Settings, telemetryOptions } from "../../../shared/config/mod.ts";
import type { TelemetryOptions } from "../../../shared/telemetry/telemetry.ts";
import type { CollectorAnswer, CollectorTarget } from "./collector_probe.ts";
import { type Finding, good, trouble } from "./finding.ts";

export interface ExportContext {
  /** Of the services, with what `task start` adds where it runs them. */
  readonly settings: Settings;
  readonly env: Readonly<Record<string, string>>;
  /** Whether `task start` will run the collector itself, and does not yet. */
  readonly isCollectorAwaited: boolean;
  /** Spans that a running frontend has delivered; 0 where none is known. */
  readonly deliveredSpans: number;
  readonly ask: (target: CollectorTarget) => Promise<CollectorAnswer>;
}

const GRPC_PORT = "4317";

export async function exportFindings(context: ExportContext): Promise<Finding[]> {
  let options: TelemetryOptions;
  try {
    options = telemetryOptions(context.settings, "frontend", "doctor");
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [trouble("bad", "setting-wrong", error.message)];
  }
  const off = whyOff(context, options);
  if (off !== null) {
    const { deliveredSpans } = context;
    if (deliveredSpans === 0) return [trouble("note", "export-off", off)];
    const text =
      `the frontend has delivered ${deliveredSpans} spans; its environment, and not this ` +
      "one, says where to";
    return [good("export", text)];
  }
  const sampling = samplingFindings(options);
  if (context.isCollectorAwaited) {
    const text = "`task start` runs its own traces service and sends spans there";
    return [...sampling, good("collector", text)];
  }
  return [...sampling, collectorFinding(options, await context.ask(options))];
}

function whyOff(
  { settings, env }: ExportContext,
  { level, exportEnabled, tracesUrl }: TelemetryOptions,
): string | null {
  if (level === 0) {
    const why = settings.OTEL_SDK_DISABLED ? "OTEL_SDK_DISABLED is true" : "DYN_TRACE_LEVEL is 0";
    return `No spans are made: ${why}`;
  }
  if (exportEnabled) return null;
  if (settings.OTEL_TRACES_EXPORTER === "none") {
    return "Spans are not exported: OTEL_TRACES_EXPORTER is none";
  }
  const given = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]
    .find((name) => env[name]);
  const named = given === undefined ? "" : `${given} names ${tracesUrl}, and `;
  const state = env.OTEL_EXPORT_ENABLED ? "off" : "not set";
  return `Spans are not exported: ${named}OTEL_EXPORT_ENABLED is ${state}`;
}

function samplingFindings({ sampler: { name, ratio } }: TelemetryOptions): Finding[] {
  const takesNone = name.endsWith("always_off") || (name.endsWith("traceidratio") && ratio === 0);
  if (!takesNone) return [];
  const unless = name.startsWith("parentbased") ? " unless a client's traceparent asks for it" : "";
  const facts = `OTEL_TRACES_SAMPLER=${name} records no trace${unless}`;
  return [trouble("note", "nothing-sampled", facts)];
}

function collectorFinding({ tracesUrl }: CollectorTarget, answer: CollectorAnswer): Finding {
  const { hostname, port } = new URL(tracesUrl);
  switch (answer.kind) {
    case "takes":
      return good("collector", `${tracesUrl} takes spans`);
    case "speaks_grpc":
      return trouble("bad", "collector-grpc-port", `${hostname}:${port} speaks gRPC, not HTTP/1.1`);
    case "refuses": {
      const words = answer.words === "" ? "" : ` (${answer.words})`;
      return trouble("bad", "collector-refuses", `${tracesUrl} answers ${answer.status}${words}`);
    }
    case "unreachable": {
      const hint = port === GRPC_PORT
        ? "; 4317 is the port of gRPC, which Baton does not speak"
        : "";
      const facts = `No collector answers at ${tracesUrl}: ${answer.reason}${hint}`;
      return trouble("bad", "collector-unreachable", facts);
    }
  }
}
