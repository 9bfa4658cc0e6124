/** Whether spans leave, and whether the collector takes them. */

import { type Settings, telemetryOptions } from "../../../shared/config/mod.ts";
import type { TelemetryOptions } from "../../../shared/telemetry/telemetry.ts";
import type { CollectorAnswer, CollectorTarget } from "./collector_probe.ts";
import { type Finding, good, trouble } from "./finding.ts";

export interface ExportContext {
  readonly settings: Settings;
  readonly env: Readonly<Record<string, string>>;
  /** Whether the services are those of `task start`, which sends spans to its own traces service. */
  readonly isOwnStart: boolean;
  /** Where its traces service takes spans; null while none runs. */
  readonly ownTracesUrl: string | null;
  readonly ask: (target: CollectorTarget) => Promise<CollectorAnswer>;
}

const GRPC_PORT = "4317";

export async function exportFindings(context: ExportContext): Promise<Finding[]> {
  const options = telemetryOptions(context.settings, "frontend", "doctor");
  const off = whyOff(context, options);
  if (off !== null) return [trouble("note", "export-off", off)];
  const target = targetOf(context, options);
  if (target === null) {
    return [good("collector", "`task start` runs its own traces service and sends spans there")];
  }
  return [...samplingFindings(options), collectorFinding(target, await context.ask(target))];
}

function whyOff(
  { settings, env, isOwnStart }: ExportContext,
  { level, exportEnabled, tracesUrl }: TelemetryOptions,
): string | null {
  if (level === 0) {
    const why = settings.OTEL_SDK_DISABLED ? "OTEL_SDK_DISABLED is true" : "DYN_TRACE_LEVEL is 0";
    return `No spans are made: ${why}`;
  }
  if (exportEnabled) return null;
  const given = endpointVariable(env);
  if (given !== null) {
    return `Spans are not exported: ${given} names ${tracesUrl}, and OTEL_EXPORT_ENABLED is ` +
      (env.OTEL_EXPORT_ENABLED ? "off" : "not set");
  }
  // `task start` switches it on where nothing is said.
  if (isOwnStart && !env.OTEL_EXPORT_ENABLED) return null;
  return `Spans are not exported: OTEL_EXPORT_ENABLED is ${
    env.OTEL_EXPORT_ENABLED ? "off" : "not set"
  }`;
}

function endpointVariable(env: Readonly<Record<string, string>>): string | null {
  const names = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
  return names.find((name) => env[name]) ?? null;
}

/** Null where `task start` will run the collector itself, and does not yet. */
function targetOf(context: ExportContext, options: TelemetryOptions): CollectorTarget | null {
  const { env, isOwnStart, ownTracesUrl } = context;
  if (!isOwnStart || endpointVariable(env) !== null) return options;
  return ownTracesUrl === null ? null : { ...options, tracesUrl: ownTracesUrl };
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
