/** The frontend process: bus, HTTP, drain. */

import { delay } from "@std/async/delay.js";
import { type Settings, VERSION } from "../../shared/config/mod.ts";
import { runService } from "../../shared/process/run_service.ts";
import { connectServiceBus } from "../../shared/process/service_bus.ts";
import { createFrontendMetrics, watchEventLoop } from "../../shared/telemetry/metrics/mod.ts";
import { createFrontend } from "./frontend.ts";
import type { FrontendOptions } from "./options.ts";
import { serveFrontend } from "./server.ts";

const CARD_TIMEOUT_MS = 15_000;
/** Time for the answers to the roll call that opening the directory is: they come at once. */
const ROLL_CALL_MS = 100;

function frontendOptions(settings: Settings): FrontendOptions {
  return {
    maxBodyBytes: settings.DYN_HTTP_BODY_LIMIT_MB * 1024 * 1024,
    maxInflight: settings.DYN_HTTP_MAX_INFLIGHT,
    requestTimeoutMs: settings.DYN_REQUEST_TIMEOUT_MS,
    migrationLimit: settings.DYN_MIGRATION_LIMIT,
    localPrefillMaxTokens: settings.DYN_LOCAL_PREFILL_MAX_TOKENS,
    keepAliveIntervalMs: settings.DYN_HTTP_SSE_KEEP_ALIVE_INTERVAL_MS,
    cardTimeoutMs: CARD_TIMEOUT_MS,
    workerReturnMs: settings.DYN_WORKER_RETURN_TIMEOUT_MS,
  };
}

await runService("frontend", async (context) => {
  const { settings, telemetry, instanceId, stopping } = context;
  const service = await connectServiceBus("frontend", context);
  await using bus = service.bus;
  const metrics = createFrontendMetrics();
  using _watch = watchEventLoop((delayMs) => metrics.eventLoopDelayed(delayMs));
  using frontend = createFrontend({
    bus,
    telemetry,
    metrics,
    options: frontendOptions(settings),
    version: VERSION,
  });
  // Who asks first should find the workers that are up.
  await delay(ROLL_CALL_MS);
  const hostname = settings.DYN_HTTP_HOST;
  const server = await serveFrontend(frontend, {
    hostname,
    port: settings.DYN_HTTP_PORT,
    silenceMs: settings.DYN_REQUEST_TIMEOUT_MS + settings.DYN_HTTP_SSE_KEEP_ALIVE_INTERVAL_MS,
  });
  telemetry.log.info("frontend ready", { instance_id: instanceId, hostname, port: server.port });
  const signal = await Promise.race([stopping, service.lost]);
  telemetry.log.info("frontend draining", { signal, inflight: frontend.admission.inflight });
  await server.drain(settings.DYN_GRACEFUL_SHUTDOWN_TIMEOUT_MS);
});
