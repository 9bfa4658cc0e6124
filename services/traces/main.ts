/**
 * The traces process: OTLP in, Tempo's query API and the page out, one SQLite file between them; or,
 * with TEMPO_QUERY_URL, the page over a Tempo.
 */

import { join } from "@std/path/mod.js";
import { type Settings, telemetryOptions, VERSION } from "../../shared/config/mod.ts";
import { cacheDirectory } from "../../shared/download/mod.ts";
import { serveHttp } from "../../shared/process/http_server.ts";
import { runService, type ServiceContext } from "../../shared/process/run_service.ts";
import { createTracesMetrics } from "../../shared/telemetry/metrics/mod.ts";
import { TraceStore } from "../../shared/trace_store/mod.ts";
import { ByteBudget } from "./byte_budget.ts";
import { createReceiver } from "./otlp_receiver.ts";
import { createQueryApi } from "./query_api.ts";
import { type QueryServer, serveQueries } from "./query_server.ts";
import { createQuerySite, type QuerySiteOptions } from "./query_site.ts";
import { createSpanForwarder, createTempoProxy } from "./tempo_proxy.ts";

const MEGABYTE = 1024 * 1024;
const HOUR_MS = 3_600_000;
/** Time a body may take to arrive. */
const BODY_TIMEOUT_MS = 30_000;

function databasePath(settings: Settings, env: Readonly<Record<string, string>>): string {
  if (settings.DYN_TRACES_DB !== "") return settings.DYN_TRACES_DB;
  const { os } = Deno.build;
  return join(
    cacheDirectory({ os, env, override: settings.DYN_CACHE_DIR }),
    "traces",
    "traces.db",
  );
}

await runService("traces", async (context) => {
  if (context.settings.TEMPO_QUERY_URL === "") await keepTraces(context);
  else await showTempo(context);
});

/** Takes spans, keeps them, and answers from them. */
async function keepTraces({ settings, env, telemetry, stopping }: ServiceContext): Promise<void> {
  const { log } = telemetry;
  const threadLog = telemetry.logger("trace_store");
  const path = databasePath(settings, env);
  await using store = await TraceStore.open({
    path,
    retention: {
      maxAgeMs: settings.DYN_TRACES_RETENTION_HOURS * HOUR_MS,
      maxBytes: settings.DYN_TRACES_MAX_MB * MEGABYTE,
    },
    queryTimeoutMs: settings.DYN_TRACES_QUERY_TIMEOUT_MS,
    onNotice: (message) => log.warn(message),
    onOutput: ({ level, text, fields }) => threadLog[level](text, fields),
  });
  let isReady = true;
  const hostname = settings.DYN_TRACES_HOST;
  const { maxBodyBytes, maxInflightBytes } = bodyLimits(settings);
  const budget = new ByteBudget(maxInflightBytes);
  const metrics = createTracesMetrics({
    readStore: () => store.stats(),
    inflightBytes: () => budget.used,
  });
  const receive = createReceiver({
    store,
    maxBodyBytes,
    budget,
    bodyTimeoutMs: BODY_TIMEOUT_MS,
    onOutage: (message) =>
      message === null ? log.info("spans are stored again") : log.warn(message),
    onExport: (request) => metrics.exported(request),
  });
  const receiver = serveHttp(receive, {
    hostname,
    port: settings.DYN_TRACES_OTLP_PORT,
    settings: "DYN_TRACES_HOST or DYN_TRACES_OTLP_PORT",
  });
  const queries = await serveSite(settings, {
    api: createQueryApi({
      store,
      version: VERSION,
      isReady: () => isReady,
      onQuery: (query) => metrics.queried(query),
    }).fetch,
    receive,
    metrics: (accept) => metrics.render(accept),
  });
  log.info("traces ready", {
    hostname,
    otlp_port: receiver.addr.port,
    query_port: queries.port,
    database: path,
  });
  const signal = await Promise.race([stopping, store.failed]);
  log.info("traces draining", { signal });
  isReady = false;
  await Promise.all([receiver.shutdown(), queries.shutdown()]);
}

/** The page alone, with a Tempo behind it: nothing is taken in or kept here. */
async function showTempo(context: ServiceContext): Promise<void> {
  const { settings, telemetry: { log }, stopping } = context;
  const { tracesUrl, exportHeaders, exportTls, exportTimeoutMs } = telemetryOptions(
    settings,
    "traces",
    context.instanceId,
  );
  const queries = await serveSite(settings, {
    api: createTempoProxy({
      url: settings.TEMPO_QUERY_URL,
      headers: settings.TEMPO_QUERY_HEADERS,
      timeoutMs: settings.DYN_TRACES_QUERY_TIMEOUT_MS,
    }),
    metrics: null,
    receive: createSpanForwarder({
      url: tracesUrl,
      headers: exportHeaders,
      tls: exportTls,
      timeoutMs: exportTimeoutMs,
      ...bodyLimits(settings),
    }),
  });
  log.info("traces ready", {
    hostname: settings.DYN_TRACES_HOST,
    query_port: queries.port,
    tempo: settings.TEMPO_QUERY_URL,
  });
  log.info("traces draining", { signal: await stopping });
  await queries.shutdown();
}

/** Of export requests. */
function bodyLimits(settings: Settings): { maxBodyBytes: number; maxInflightBytes: number } {
  return {
    maxBodyBytes: settings.DYN_TRACES_BODY_LIMIT_MB * MEGABYTE,
    maxInflightBytes: settings.DYN_TRACES_INFLIGHT_MB * MEGABYTE,
  };
}

function serveSite(
  settings: Settings,
  handlers: Pick<QuerySiteOptions, "api" | "receive" | "metrics">,
): Promise<QueryServer> {
  const hostname = settings.DYN_TRACES_HOST;
  const site = createQuerySite({
    ...handlers,
    hostname,
    frontendUrl: settings.DYN_TRACES_FRONTEND_URL,
    logFolder: settings.DYN_LOG_DIR,
  });
  return serveQueries(site, { hostname, port: settings.DYN_TRACES_QUERY_PORT });
}
