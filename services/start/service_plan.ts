/** Which processes one machine runs: commands, environment, and how to see that each is ready. */

import { fromFileUrl } from "@std/path/mod.js";
import type { Settings } from "../../shared/config/mod.ts";
import { PARENT_WATCH_FLAG } from "../../shared/provision/mod.ts";
import type { ResolvedModel } from "../../shared/weights/sources/mod.ts";
import { ServicePort } from "./ports.ts";
import { answersAs, answersOk, servesWorkers } from "./readiness.ts";
import type { ServiceSpec } from "./supervised_service.ts";

/** Status ports of the first worker of each role, as the workers' own defaults. */
const STATUS_PORTS = { prefill: 9091, decode: 9092 } as const;
const LOCALHOST = "127.0.0.1";

export interface ServicesOptions {
  readonly natsUrl: string;
  readonly model: ResolvedModel;
  readonly http: { readonly hostname: string; readonly port: number };
  readonly prefillCount: number;
  readonly decodeCount: number;
  /** DYN_INSTANCE_ID of this process: each service's own starts with it. Empty: random ones, kept. */
  readonly instanceId: string;
  /** The service name that the operator set: each role's own starts with it. Empty: `baton`. */
  readonly serviceName: string;
  /** Where each service keeps its log; "off" for none. */
  readonly logDir: string;
  /** Where they send their spans; empty where the user has said it. */
  readonly exportEnv: Readonly<Record<string, string>>;
  /** For the processes that open the device. */
  readonly deviceEnv: Readonly<Record<string, string>>;
}

export interface PlannedService extends ServiceSpec {
  /** Where people can look; of a worker another one after a start that found its port taken. */
  readonly url: string;
}

/** The workers, then the frontend. */
export function planServices(
  options: ServicesOptions,
): { workers: PlannedService[]; frontend: PlannedService } {
  const instanceIdOf = (name: string) =>
    options.instanceId === "" ? crypto.randomUUID() : `${options.instanceId}-${name}`;
  const shared = (role: string, instanceId: string) => ({
    NATS_URL: options.natsUrl,
    OTEL_SERVICE_NAME: options.serviceName && `${options.serviceName}-${role}`,
    DYN_INSTANCE_ID: instanceId,
    DYN_LOG_DIR: options.logDir,
    ...options.exportEnv,
  });
  const workers: PlannedService[] = [];
  const workerIds: string[] = [];
  for (const [role, count] of workerCounts(options)) {
    for (let number = 1; number <= count; number++) {
      const status = new ServicePort(LOCALHOST, number === 1 ? STATUS_PORTS[role] : 0);
      const statusUrl = () => `http://${LOCALHOST}:${status.port}`;
      const name = count === 1 ? role : `${role}-${number}`;
      const instanceId = instanceIdOf(name);
      workerIds.push(instanceId);
      workers.push({
        name,
        command: [...denoRun(mainOf(role)), PARENT_WATCH_FLAG],
        env: () => ({
          ...shared(role, instanceId),
          ...options.deviceEnv,
          DYN_MODEL: options.model.path,
          DYN_MODEL_NAME: options.model.name,
          DYN_MODEL_DIGEST: options.model.digest,
          DYN_SYSTEM_HOST: LOCALHOST,
          DYN_SYSTEM_PORT: String(status.take()),
        }),
        get url() {
          return statusUrl();
        },
        isReady: () => answersAs(`${statusUrl()}/health`, instanceId),
      });
    }
  }
  const { hostname, port } = options.http;
  const url = httpUrl({ hostname, port });
  const frontendId = instanceIdOf("frontend");
  const frontend = {
    name: "frontend",
    command: [...denoRun(mainOf("frontend")), PARENT_WATCH_FLAG],
    env: () => ({
      ...shared("frontend", frontendId),
      DYN_HTTP_HOST: hostname,
      DYN_HTTP_PORT: String(port),
    }),
    url,
    // Until it has heard of all, it would serve the first requests with fewer.
    isReady: () => servesWorkers(`${url}/health`, workerIds),
  };
  return { workers, frontend };
}

export interface TracesAddress {
  readonly hostname: string;
  /** Null where it takes no spans: a Tempo does (`TEMPO_QUERY_URL`). */
  readonly otlpPort: number | null;
  readonly queryPort: number;
  /** What the page talks to. */
  readonly frontend: { readonly hostname: string; readonly port: number };
  /** Where the services keep their logs, which the page shows; "off" for none. */
  readonly logDir: string;
}

export interface TracesPlan extends PlannedService {
  /** Where it takes spans; null where it shows those of a Tempo. */
  readonly otlpUrl: string | null;
}

/** The service that keeps the traces of this machine, or shows those of a Tempo. */
export function planTraces(address: TracesAddress): TracesPlan {
  const { hostname, otlpPort, queryPort, frontend, logDir } = address;
  const url = httpUrl({ hostname, port: queryPort });
  return {
    name: "traces",
    command: [...denoRun(mainOf("traces")), PARENT_WATCH_FLAG],
    env: () => ({
      // It makes no spans: a name that the operator set is of the services which do.
      OTEL_SERVICE_NAME: "baton-traces",
      DYN_TRACES_HOST: hostname,
      ...(otlpPort === null ? {} : { DYN_TRACES_OTLP_PORT: String(otlpPort) }),
      DYN_TRACES_QUERY_PORT: String(queryPort),
      DYN_TRACES_FRONTEND_URL: httpUrl(frontend),
      DYN_LOG_DIR: logDir,
    }),
    url,
    otlpUrl: otlpPort === null ? null : httpUrl({ hostname, port: otlpPort }),
    isReady: () => answersOk(`${url}/ready`),
  };
}

/** Where the traces service takes spans; null where TEMPO_QUERY_URL says that it takes none. */
export function ownOtlpUrl(
  settings: Pick<Settings, "TEMPO_QUERY_URL" | "DYN_TRACES_HOST" | "DYN_TRACES_OTLP_PORT">,
): string | null {
  const { TEMPO_QUERY_URL, DYN_TRACES_HOST: hostname, DYN_TRACES_OTLP_PORT: port } = settings;
  return TEMPO_QUERY_URL === "" ? httpUrl({ hostname, port }) : null;
}

/**
 * Makes services export, unless the environment says that they do not: to the collector that it names,
 * else to the traces service at `otlpUrl`. Null where that shows a Tempo's traces and takes no spans;
 * undefined where none runs, and only who names a collector wants an export.
 */
export function exportTo(
  otlpUrl: string | null | undefined,
  env: Readonly<Record<string, string>>,
): Record<string, string> {
  const isGiven = env.OTEL_EXPORTER_OTLP_ENDPOINT || env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT;
  if (otlpUrl === undefined && !isGiven) return {};
  return {
    OTEL_EXPORT_ENABLED: env.OTEL_EXPORT_ENABLED || "1",
    ...(isGiven || typeof otlpUrl !== "string" ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: otlpUrl }),
  };
}

function workerCounts(options: ServicesOptions): ["prefill" | "decode", number][] {
  return [["prefill", options.prefillCount], ["decode", options.decodeCount]];
}

/** Where a server that listens there is reached. */
export function httpUrl({ hostname, port }: { hostname: string; port: number }): string {
  return `http://${reachableName(hostname)}:${port}`;
}

/** A name that reaches a server which listens on `hostname`. */
function reachableName(hostname: string): string {
  if (hostname === "0.0.0.0" || hostname === "::" || hostname === "[::]") return LOCALHOST;
  return hostname.includes(":") && !hostname.startsWith("[") ? `[${hostname}]` : hostname;
}

function mainOf(service: string): string {
  return fromFileUrl(new URL(`../${service}/main.ts`, import.meta.url));
}

/** The command that runs a script of this repository, given by its path. */
export function denoRun(script: string): string[] {
  return [Deno.execPath(), "run", "--quiet", "-A", script];
}
