/** The variables of the traces service, and of the Tempo that may stand in its place. */

import { headers, httpUrl, integer, text } from "./value_schemas.ts";
import { type Service, variable } from "./variable.ts";

/** `task start` reads where it listens, to say so and to send the other services' spans there. */
const TRACES_AND_START: readonly Service[] = ["traces", "start"];

export const TRACES_VARIABLES = {
  DYN_TRACES_HOST: variable(
    TRACES_AND_START,
    text("127.0.0.1"),
    "`127.0.0.1`",
    "Address the traces service listens on",
  ),
  DYN_TRACES_OTLP_PORT: variable(
    TRACES_AND_START,
    integer(4318, 0, 65535),
    "`4318`",
    "Port that takes spans over OTLP/HTTP; 0 takes a free one",
  ),
  DYN_TRACES_QUERY_PORT: variable(
    TRACES_AND_START,
    integer(3200, 0, 65535),
    "`3200`",
    "Port of the page and of Tempo's query API; 0 takes a free one",
  ),
  DYN_TRACES_FRONTEND_URL: variable(
    ["traces"],
    httpUrl("http://127.0.0.1:8000"),
    "`http://127.0.0.1:8000`; `task start` sets it",
    "Frontend that the page of the traces service talks to",
  ),
  DYN_TRACES_DB: variable(
    ["traces"],
    text(""),
    "in `DYN_CACHE_DIR`, `/traces/traces.db`",
    "Database file of the traces service",
  ),
  DYN_TRACES_RETENTION_HOURS: variable(
    ["traces"],
    integer(48, 1, 87_600),
    "`48`",
    "Age after which traces are forgotten, hours",
  ),
  DYN_TRACES_MAX_MB: variable(
    ["traces"],
    integer(2048, 16, 1_000_000),
    "`2048`",
    "Size of the database above which the oldest traces are forgotten, MiB",
  ),
  DYN_TRACES_BODY_LIMIT_MB: variable(
    ["traces"],
    integer(16, 1, 1024),
    "`16`",
    "Largest export request, unpacked, MiB; a larger one gets 413",
  ),
  DYN_TRACES_INFLIGHT_MB: variable(
    ["traces"],
    integer(64, 1, 65_536),
    "`64`",
    "Bytes of all export requests in work, MiB; one more gets 429 with Retry-After",
  ),
  DYN_TRACES_QUERY_TIMEOUT_MS: variable(
    ["traces"],
    integer(30_000, 100, 3_600_000),
    "`30000`",
    "Time a query may take, milliseconds; then 504",
  ),
  TEMPO_QUERY_URL: variable(
    [...TRACES_AND_START, "trace"],
    httpUrl(""),
    "none: the traces service keeps spans itself",
    "Tempo's query API, which the page and `deno task trace --tempo` then show; the traces service takes " +
      "in no spans, and the page's own go to `OTEL_EXPORTER_OTLP_ENDPOINT`",
  ),
  TEMPO_QUERY_HEADERS: variable(
    ["traces", "trace"],
    headers(),
    "none",
    "Headers of queries to the Tempo of `TEMPO_QUERY_URL`, `key=value,…`, such as `Authorization=Basic%20…`; " +
      "where that is not set, of the one that `--tempo` names",
    true,
  ),
} as const;
