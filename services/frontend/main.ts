/** The frontend process: settings, bus, HTTP, signals. Exits 0 drained, 1 failed, 2 wrong settings. */

import { type BusStatus, connectBus } from "../../shared/bus/mod.ts";
import {
  ConfigError,
  loadSettings,
  type Settings,
  telemetryOptions,
  unknownVariables,
  VERSION,
} from "../../shared/config/mod.ts";
import { onShutdown } from "../../shared/process/shutdown.ts";
import { exitWithParent } from "../../shared/provision/parent_watch.ts";
import { createFrontendMetrics } from "../../shared/telemetry/metrics/mod.ts";
import { type Logger, startTelemetry, type Telemetry } from "../../shared/telemetry/mod.ts";
import { createFrontend } from "./frontend.ts";
import type { FrontendOptions } from "./options.ts";
import { serveFrontend } from "./server.ts";

const CONNECT_TIMEOUT_MS = 15_000;
const CARD_TIMEOUT_MS = 15_000;
/** Time after the drain for the bus and the last export. */
const EXIT_MARGIN_MS = 5_000;

function frontendOptions(settings: Settings): FrontendOptions {
  return {
    maxBodyBytes: settings.DYN_HTTP_BODY_LIMIT_MB * 1024 * 1024,
    maxInflight: settings.DYN_HTTP_MAX_INFLIGHT,
    requestTimeoutMs: settings.DYN_REQUEST_TIMEOUT_MS,
    migrationLimit: settings.DYN_MIGRATION_LIMIT,
    localPrefillMaxTokens: settings.DYN_LOCAL_PREFILL_MAX_TOKENS,
    keepAliveIntervalMs: settings.DYN_HTTP_SSE_KEEP_ALIVE_INTERVAL_MS,
    cardTimeoutMs: CARD_TIMEOUT_MS,
  };
}

async function run(settings: Settings, telemetry: Telemetry, instanceId: string): Promise<void> {
  const stopping = onShutdown();
  const lost = Promise.withResolvers<never>();
  await using bus = await connectBus({
    url: settings.NATS_URL || "nats://127.0.0.1:4222",
    namespace: settings.DYN_NAMESPACE,
    clientName: `baton-frontend-${instanceId}`,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    onStatus: (status) => {
      logBusStatus(telemetry.logger("bus"), status);
      if (status.kind === "closed") {
        lost.reject(new Error(`Cannot go on: the bus closed (${status.message ?? "no reason"})`));
      }
    },
  });
  using frontend = createFrontend({
    bus,
    telemetry,
    metrics: createFrontendMetrics(),
    options: frontendOptions(settings),
    version: VERSION,
  });
  const hostname = settings.DYN_HTTP_HOST;
  const server = serveFrontend(frontend, { hostname, port: settings.DYN_HTTP_PORT });
  telemetry.log.info("frontend ready", { instance_id: instanceId, hostname, port: server.port });
  const signal = await Promise.race([stopping, lost.promise]);
  telemetry.log.info("frontend draining", { signal, inflight: frontend.admission.inflight });
  await server.drain(settings.DYN_GRACEFUL_SHUTDOWN_TIMEOUT_MS);
}

function logBusStatus(log: Logger, status: BusStatus): void {
  const { kind, ...fields } = status;
  const isExpected = kind === "reconnected" || (kind === "closed" && status.message === undefined);
  if (isExpected) log.info(`bus ${kind}`, fields);
  else log.warn(`bus ${kind}`, fields);
}

async function main(): Promise<never> {
  try {
    const env = Deno.env.toObject();
    const settings = loadSettings(env);
    const drainTimeMs = settings.DYN_GRACEFUL_SHUTDOWN_TIMEOUT_MS;
    exitWithParent({ args: Deno.args, drainTimeMs: drainTimeMs + EXIT_MARGIN_MS });
    const instanceId = settings.DYN_INSTANCE_ID || crypto.randomUUID();
    const telemetry = startTelemetry(telemetryOptions(settings, "frontend", instanceId));
    for (const name of unknownVariables(env)) {
      telemetry.log.warn(`${name} is set and no Baton service reads it`);
    }
    try {
      await run(settings, telemetry, instanceId);
    } finally {
      await telemetry.shutdown("drain", EXIT_MARGIN_MS);
    }
    Deno.exit(0);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    await Deno.stderr.write(new TextEncoder().encode(`baton-frontend: ${message}\n`));
    Deno.exit(error instanceof ConfigError ? 2 : 1);
  }
}

await main();
