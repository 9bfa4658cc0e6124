/**
 * Everything that the doctor can find wrong: how it shows, and what to do. The doctor puts the facts
 * before the remedy; `docs/observability/troubleshooting.md` is printed from here.
 */

export interface SymptomText {
  /** What the line of the doctor is about. */
  readonly subject: string;
  /** How it shows to somebody who has not asked the doctor yet. */
  readonly sign: string;
  /** What to do, as sentences. */
  readonly remedy: string;
}

export const SYMPTOMS = {
  "deno-version": {
    subject: "deno",
    sign: "The start ends with an error of Deno's, or the version was never tried with Baton",
    remedy: "Use `npx -y deno@2.9.6 task start`.",
  },
  "setting-wrong": {
    subject: "settings",
    sign: "A service ends with code 2",
    remedy: "All variables and what they take are in docs/configuration.md.",
  },
  "setting-unknown": {
    subject: "settings",
    sign: "A variable has no effect",
    remedy: "The name may be misspelt: all variables are in docs/configuration.md.",
  },
  "nats-not-fetched": {
    subject: "nats",
    sign: "The first start takes longer",
    remedy: "The first start fetches a nats-server (7 MB), which needs the network once.",
  },
  "nats-unreachable": {
    subject: "nats",
    sign: "Services end with `Cannot connect to NATS`, or `/health` says `disconnected` or " +
      "`is_connected: false`; requests get 503",
    remedy: "Start the NATS server, correct `NATS_URL`, or unset it and `task start` runs its own.",
  },
  "no-workers": {
    subject: "workers",
    sign: "`/v1/models` is empty, requests get 503, `/health` says `no_workers`",
    remedy: "Start a decode worker with the same `NATS_URL` and `DYN_NAMESPACE` as the frontend, " +
      "and read its log: it announces itself once its model is loaded. One that is stuck says so " +
      "there: start it again.",
  },
  "software-adapter": {
    subject: "device",
    sign: "Some tokens a second and all cores busy; `engine.is_software` on the worker's span",
    remedy:
      "`DYN_DEVICE=cpu` is much faster than a GPU that a driver emulates on the CPU. With a " +
      "GPU, install its Vulkan driver.",
  },
  "no-gpu": {
    subject: "device",
    sign: "`/health` names the backend `cpu`",
    remedy:
      "The CPU backend needs no driver. With a GPU and its driver, `DYN_DEVICE=webgpu` or `auto` " +
      "takes it.",
  },
  "no-device": {
    subject: "device",
    sign: "`DYN_DEVICE=webgpu`, and the worker finds no adapter",
    remedy: "The first start installs a driver where it can; `DYN_DEVICE=cpu` needs none.",
  },
  "simulated-engine": {
    subject: "engine",
    sign: "Answers are made up, and the model is called `simulated`",
    remedy:
      "The simulated engine is for tests and measurements: unset `DYN_ENGINE` and a model answers.",
  },
  "model-not-fetched": {
    subject: "model",
    sign: "The first start takes longer",
    remedy: "The first start fetches the model, which needs the network once.",
  },
  "model-wrong": {
    subject: "model",
    sign: "The start ends with `Cannot open model`",
    remedy:
      "`--model` and `DYN_MODEL` take a .gguf file, `hf:org/repo[:file]`, a package or an alias.",
  },
  "cache-full": {
    subject: "cache",
    sign: "A download ends early",
    remedy: "Free some space for the cache, or set `DYN_CACHE_DIR`.",
  },
  "cache-read-only": {
    subject: "cache",
    sign: "The start ends with `Cannot write`",
    remedy: "Make the cache directory writable, or set `DYN_CACHE_DIR`.",
  },
  "port-taken": {
    subject: "ports",
    sign: "The start ends with `another program listens there`",
    remedy:
      "End the other program, or take other ports: `--port` for the API, `DYN_TRACES_OTLP_PORT` " +
      "and `DYN_TRACES_QUERY_PORT` for the traces (0 takes a free one). `--no-traces` runs no " +
      "traces service, for a machine that has Tempo or a collector there, which " +
      "`OTEL_EXPORTER_OTLP_ENDPOINT` then names.",
  },
  "frontend-unreachable": {
    subject: "frontend",
    sign: "Clients cannot connect",
    remedy: "Start the frontend, or name where it listens with `--frontend`.",
  },
  "export-off": {
    subject: "export",
    sign: "Logs have trace ids, and no trace arrives anywhere",
    remedy: "Set `OTEL_EXPORT_ENABLED=1` and `DYN_TRACE_LEVEL` of 1 or more, and leave " +
      "`OTEL_SDK_DISABLED` and `OTEL_TRACES_EXPORTER` unset. Without export `task trace` still draws " +
      "requests from the logs.",
  },
  "nothing-sampled": {
    subject: "export",
    sign: "Export is on, and no trace of an own request arrives",
    remedy: "Unset `OTEL_TRACES_SAMPLER`, or choose a share with `parentbased_traceidratio` and " +
      "`OTEL_TRACES_SAMPLER_ARG`.",
  },
  "collector-unreachable": {
    subject: "collector",
    sign: "No trace arrives; the log says once that spans cannot be exported, and " +
      "`dynamo_telemetry_queued_spans` grows",
    remedy:
      "Start the collector, or correct `OTEL_EXPORTER_OTLP_ENDPOINT`; an authority of one's own is " +
      "trusted by `OTEL_EXPORTER_OTLP_CERTIFICATE`. Requests go on meanwhile, and spans wait for it " +
      "up to `OTEL_BSP_EXPORT_TIMEOUT`.",
  },
  "collector-grpc-port": {
    subject: "collector",
    sign: "The same, with a collector that runs: 4317 is named and 4318 is meant",
    remedy:
      "Set `OTEL_EXPORTER_OTLP_ENDPOINT` to the collector's HTTP port, 4318 by default: Baton exports " +
      "OTLP over HTTP, and 4317 takes gRPC.",
  },
  "protocol-grpc": {
    subject: "collector",
    sign: "A service ends with code 2 and names `OTEL_EXPORTER_OTLP_PROTOCOL`",
    remedy:
      "Unset `OTEL_EXPORTER_OTLP_PROTOCOL`, or set `http/protobuf`, and name the collector's HTTP " +
      "port, 4318 by default.",
  },
  "collector-refuses": {
    subject: "collector",
    sign: "No trace arrives and `dynamo_telemetry_dropped_spans_total` grows",
    remedy: "401 and 403 want `OTEL_EXPORTER_OTLP_HEADERS`; 404 another path, which " +
      "`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` names as it is; 415 another " +
      "`OTEL_EXPORTER_OTLP_PROTOCOL`. With 429 and 503 it asks to come later: its own words, and its " +
      "log, say why, and spans wait meanwhile.",
  },
  "spans-dropped": {
    subject: "export",
    sign: "Traces lack requests or parts",
    remedy: "See that the collector is reachable and fast enough; " +
      "`OTEL_BSP_MAX_QUEUE_SIZE` and `OTEL_BSP_EXPORT_TIMEOUT` bridge longer outages.",
  },
  "no-traceparent": {
    subject: "context",
    sign: "Each trace begins at `http-request`, and the client's or gateway's own trace ends there",
    remedy: "Where a client or gateway traces too, let it send `traceparent`, and let proxies " +
      "between pass it on. Other formats are read where `OTEL_PROPAGATORS` names them.",
  },
  "logs-not-jsonl": {
    subject: "logs",
    sign: "Log lines cannot be parsed, or cannot be found by trace id",
    remedy: "Set `DYN_LOGGING_JSONL=1`, and `DYN_LOGGING_SPAN_EVENTS=1` so that `task trace` can " +
      "draw from them; or `DYN_LOG_DIR`, where each service keeps such lines beside.",
  },
  "store-unreachable": {
    subject: "store",
    sign: "`task trace --tempo` and Grafana find nothing",
    remedy: "Start the traces service or Tempo, or name where it listens with `--tempo`.",
  },
  "store-empty": {
    subject: "store",
    sign: "A search finds nothing at all",
    remedy:
      "The lines on export and collector say whether spans leave; see that they go to this store.",
  },
  "service-name": {
    subject: "names",
    sign: "A search by service name finds nothing, and others do",
    remedy: "Search for the names that are there, or set `OTEL_SERVICE_NAME` (`task start` adds " +
      "the role: `shop` becomes `shop-frontend`). Dynamo's dashboards look for `dynamo`.",
  },
  "clock-skew": {
    subject: "clocks",
    sign: "In a trace, a worker's spans begin before they were asked for, or after the answer",
    remedy:
      "Let chrony or systemd-timesyncd keep the clocks of both hosts. `task trace` and the page shift such " +
      "spans and say so; Tempo and Grafana show them as they are.",
  },
} as const satisfies Readonly<Record<string, SymptomText>>;

export type Symptom = keyof typeof SYMPTOMS;
