/** What is wrong with the variables that are set, and the settings without those. */

import {
  ConfigError,
  loadSettings,
  serviceLogDir,
  type Settings,
  shownVariables,
  unknownVariables,
  VARIABLES,
} from "../../../shared/config/mod.ts";
import { type Finding, good, trouble } from "./finding.ts";

type Environment = Readonly<Record<string, string>>;

export interface ReadSettings {
  readonly findings: readonly Finding[];
  /** As they would be without what is wrong; null where that does not help. */
  readonly settings: Settings | null;
  /** The environment without what is wrong. */
  readonly env: Environment;
}

export function readSettings(env: Environment): ReadSettings {
  const wrong = shownVariables(env).filter(({ problem }) => problem !== undefined);
  const findings = [
    ...wrong.map(({ name, value, problem }) => {
      const isGrpc = /OTLP.*_PROTOCOL$/.test(name) && String(value).trim().toLowerCase() === "grpc";
      const facts = `Cannot use ${name}="${value}": ${problem}`;
      return trouble("bad", isGrpc ? "protocol-grpc" : "setting-wrong", facts);
    }),
    ...[...unknownVariables(env), ...unreadTracing(env)].map((name) =>
      trouble("note", "setting-unknown", `${name} is set, and Baton does not read it`)
    ),
  ];
  const names = new Set<string>(wrong.map(({ name }) => name));
  const rest = Object.fromEntries(Object.entries(env).filter(([name]) => !names.has(name)));
  try {
    return { findings, settings: loadSettings(rest), env: rest };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const more = error.message.split("\n").map((text) => trouble("bad", "setting-wrong", text));
    return { findings: [...findings, ...more], settings: null, env: rest };
  }
}

/** Variables of OpenTelemetry's traces; Baton has neither its metrics nor its logs. */
const OF_TRACING = /^OTEL_(?!(?:EXPORTER_OTLP_)?(?:METRICS?|LOGS?|BLRP)_)/;

function unreadTracing(env: Environment): string[] {
  return Object.keys(env)
    .filter((name) => OF_TRACING.test(name) && env[name] !== "" && !(name in VARIABLES)).sort();
}

export interface LogContext {
  readonly cacheDir: string;
  /** Whether the services are those of `task start`, which keeps log files. */
  readonly isOwnStart: boolean;
}

export function logFinding(settings: Settings, { cacheDir, isOwnStart }: LogContext): Finding {
  if (settings.DYN_LOGGING_JSONL) return good("logs", "JSON lines on stderr");
  const folder = isOwnStart ? serviceLogDir(settings, cacheDir) : settings.DYN_LOG_DIR;
  if (folder === "" || folder === "off") {
    return trouble("note", "logs-not-jsonl", "Logs are readable text on stderr and kept nowhere");
  }
  return good("logs", `readable text on stderr, JSON lines in ${folder}`);
}
