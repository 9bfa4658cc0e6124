/**
 * Tempo's query API, as Grafana's data source and the page speak it.
 *
 * Errors are plain text. A query is answered exactly or refused with 400 and its position.
 */

import { type Context, Hono } from "hono";
import { tracesToJson, WireWriter } from "../../shared/otlp/mod.ts";
import type { ObservedQuery, QueryKind } from "../../shared/telemetry/metrics/mod.ts";
import {
  QueryCancelledError,
  QueryTimeoutError,
  StoreError,
  type TraceStore,
} from "../../shared/trace_store/mod.ts";
import {
  MetricsWindow,
  parseQuery,
  type Query,
  QueryError,
  QueryLimitError,
} from "../../shared/traceql/mod.ts";
import { metricsAnswer, searchAnswer } from "./answer_shapes.ts";
import { logfmtQuery } from "./logfmt_query.ts";
import {
  duration,
  metricsRange,
  ParameterError,
  searchRange,
  wholeNumber,
} from "./query_parameters.ts";
import { addTagRoutes } from "./tag_api.ts";

export interface QueryApiOptions {
  readonly store: Pick<TraceStore, "trace" | "search" | "metrics" | "tagKeys" | "tagValues">;
  readonly version: string;
  readonly isReady: () => boolean;
  /** A query was answered. */
  readonly onQuery: (query: ObservedQuery) => void;
  readonly now?: () => number;
}

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 1000;
const DEFAULT_SPANS_PER_SPANSET = 3;
const MAX_SPANS_PER_SPANSET = 1000;
const DEFAULT_EXEMPLARS = 100;
/** Queries at once; looking up a trace by its id costs little, and waits for no search. */
const MAX_LOOKUPS = 64;
const MAX_SEARCHES = 64;
/** The client has gone: nobody reads the answer. */
const CLIENT_CLOSED_REQUEST = 499;
/** The API that is spoken; Grafana looks at it to know what it may ask. */
const TEMPO_VERSION = "v3.0.3";

export function createQueryApi(options: QueryApiOptions): Hono {
  const app = new Hono();
  const lookups = { running: 0, most: MAX_LOOKUPS };
  const searches = { running: 0, most: MAX_SEARCHES };
  app.use(async (c, next) => {
    const kind = kindOf(c.req.path);
    if (kind === null) return await next();
    const startMs = performance.now();
    const lane = kind === "trace" ? lookups : searches;
    if (lane.running >= lane.most) {
      c.header("retry-after", "1");
      c.res = c.text("too many queries at once; ask again a little later", 429);
    } else {
      lane.running++;
      try {
        await next();
      } finally {
        lane.running--;
      }
    }
    const { status } = c.res;
    options.onQuery({ kind, status, durationMs: performance.now() - startMs });
  });
  addStatusRoutes(app, options);
  addTraceRoutes(app, options);
  addSearchRoutes(app, options);
  addTagRoutes(app, options);
  app.notFound((c) => c.text("404 page not found", 404));
  app.onError((error, c) => {
    if (error instanceof ParameterError || error instanceof QueryLimitError) {
      return c.text(error.message, 400);
    }
    if (error instanceof QueryError) return c.text(`invalid TraceQL query: ${error.message}`, 400);
    if (error instanceof QueryTimeoutError) return c.text(error.message, 504);
    if (error instanceof StoreError) return c.text(error.message, 503);
    if (error instanceof QueryCancelledError) {
      return new Response(error.message, { status: CLIENT_CLOSED_REQUEST });
    }
    return c.text(`internal error: ${error.message}`, 500);
  });
  return app;
}

function kindOf(path: string): QueryKind | null {
  if (/^\/api\/(v2\/)?traces\//.test(path)) return "trace";
  if (path === "/api/search") return "search";
  if (path.startsWith("/api/metrics/")) return "metrics";
  return /^\/api\/(v2\/)?search\/tag/.test(path) ? "tags" : null;
}

function addStatusRoutes(app: Hono, { version, isReady }: QueryApiOptions): void {
  app.get(
    "/ready",
    (c) => isReady() ? c.text("ready\n") : c.text("the service is stopping\n", 503),
  );
  app.get("/api/echo", (c) => c.text("echo\n"));
  app.get(
    "/status/version",
    (c) => c.text(`GET /status/version\ntempo, version ${TEMPO_VERSION} (baton ${version})\n`),
  );
  app.get("/api/status/buildinfo", (c) =>
    c.json({
      version: TEMPO_VERSION,
      revision: `baton-${version}`,
      branch: "",
      buildUser: "",
      buildDate: "",
      goVersion: "",
    }));
}

function addTraceRoutes(app: Hono, { store }: QueryApiOptions): void {
  app.get("/api/traces/:id", async (c) => {
    const bytes = await store.trace(traceId(c.req.param("id")));
    if (bytes.length === 0) return c.body(null, 404);
    if (wantsProtobuf(c)) return protobuf(c, bytes);
    return c.json({ batches: tracesToJson(bytes) });
  });
  app.get("/api/v2/traces/:id", async (c) => {
    const bytes = await store.trace(traceId(c.req.param("id")));
    if (wantsProtobuf(c)) return protobuf(c, traceByIdResponse(bytes));
    if (bytes.length === 0) return c.json({ trace: {}, metrics: {} });
    return c.json({
      trace: { resourceSpans: tracesToJson(bytes) },
      metrics: { inspectedBytes: String(bytes.length) },
    });
  });
}

function addSearchRoutes(app: Hono, { store, now = Date.now }: QueryApiOptions): void {
  app.get("/api/search", async (c) => {
    const parameters = new URL(c.req.url).searchParams;
    const q = parameters.get("q") ?? "";
    const isLogfmt = q === "";
    const query = isLogfmt ? logfmtQuery(parameters.get("tags") ?? "") : searchQuery(q);
    const result = await store.search({
      query,
      range: searchRange(parameters),
      limit: wholeNumber(parameters, "limit", { fallback: DEFAULT_LIMIT, max: MAX_LIMIT }),
      spansPerSpanset: wholeNumber(parameters, "spss", {
        fallback: DEFAULT_SPANS_PER_SPANSET,
        max: MAX_SPANS_PER_SPANSET,
      }),
      minDurationNs: duration(parameters, "minDuration", 0),
      maxDurationNs: duration(parameters, "maxDuration", Infinity),
    }, c.req.raw.signal);
    return c.json(searchAnswer(result, { isLogfmt }));
  });

  const metrics = async (c: Context, isInstant: boolean) => {
    const parameters = new URL(c.req.url).searchParams;
    const query = parseQuery(parameters.get("q") ?? "");
    if (query.metrics === null) throw new ParameterError("not a metrics query");
    const range = metricsRange(parameters, { isInstant, nowMs: now() });
    const series = await store.metrics({
      query,
      stage: query.metrics,
      range,
      exemplarLimit: isInstant ? 0 : exemplarLimit(query, parameters),
    }, c.req.raw.signal);
    const window = new MetricsWindow(range);
    const timesMs = Array.from({ length: window.intervals }, (_, index) => window.timeMs(index));
    return c.json(metricsAnswer(series, isInstant ? null : timesMs));
  };
  app.get("/api/metrics/query_range", (c) => metrics(c, false));
  app.get("/api/metrics/query", (c) => metrics(c, true));
}

function searchQuery(q: string): Query {
  const query = parseQuery(q);
  if (query.metrics === null) return query;
  throw new ParameterError("not a search query: it has a metrics function");
}

/** The hint in the query, else the parameter. */
function exemplarLimit(query: Query, parameters: URLSearchParams): number {
  const { exemplars } = query;
  if (exemplars === false) return 0;
  if (typeof exemplars === "number") return Math.min(exemplars, DEFAULT_EXEMPLARS);
  return parameters.get("exemplars") === "0" ? 0 : wholeNumber(parameters, "exemplars", {
    fallback: DEFAULT_EXEMPLARS,
    max: DEFAULT_EXEMPLARS,
  });
}

/** 32 digits of lower-case hex, from what a path has. */
function traceId(text: string): string {
  const wrong = /[^0-9a-fA-F]/.exec(text);
  if (wrong !== null) {
    throw new ParameterError(
      "trace IDs can only contain hex characters: invalid character " +
        `'${wrong[0]}' at position ${wrong.index + 1}`,
    );
  }
  if (text.length > 32) throw new ParameterError("trace IDs can't be larger than 128 bits");
  return text.toLowerCase().padStart(32, "0");
}

function wantsProtobuf(c: Context): boolean {
  return (c.req.header("accept") ?? "").includes("application/protobuf");
}

function protobuf(c: Context, bytes: Uint8Array<ArrayBuffer>): Response {
  return c.body(bytes, 200, { "content-type": "application/protobuf" });
}

/** Tempo's TraceByIDResponse: the trace, and what it cost. */
function traceByIdResponse(trace: Uint8Array): Uint8Array<ArrayBuffer> {
  const writer = new WireWriter();
  writer.bytes(1, trace);
  writer.message(2, () => {
    if (trace.length > 0) writer.int64(1, BigInt(trace.length));
  });
  return writer.finish();
}
