/** The traces service's metrics: `dynamo_traces_*`. */

import { Counter, Histogram } from "prom-client";
import {
  createRegistry,
  describeMetrics,
  type MetricDescription,
  type MetricsPage,
  type MetricsRegistry,
  observedCounter,
  observedGauge,
  renderMetrics,
  SECONDS_BUCKETS,
} from "./registry.ts";

/** An export request that was answered. */
export interface ObservedExport {
  /** Of the answer. */
  readonly status: number;
  /** Unpacked, as protobuf. */
  readonly bytes: number;
  readonly acceptedSpans: number;
  readonly rejectedSpans: number;
  /** From its arrival to its commit. */
  readonly durationMs: number;
}

export type QueryKind = "trace" | "search" | "metrics" | "tags";

/** A query that was answered. */
export interface ObservedQuery {
  readonly kind: QueryKind;
  /** Of the answer. */
  readonly status: number;
  readonly durationMs: number;
}

/** What the store says of itself at a scrape. */
export interface ObservedStore {
  readonly usedBytes: number;
  readonly spans: number;
  /** Deleted since the start, by why. */
  readonly forgottenSpans: Readonly<Record<"age" | "size", number>>;
  readonly queryThreadRestarts: number;
  /** Files that were found broken and set aside. */
  readonly brokenFiles: number;
}

export interface TracesMetrics {
  exported(request: ObservedExport): void;
  queried(query: ObservedQuery): void;
  /** The page of /metrics; `accept` is the request's header. */
  render(accept: string): Promise<MetricsPage>;
  /** What there is to see on the page. */
  describe(): readonly MetricDescription[];
}

export interface TracesMetricsOptions {
  /** Asked at every scrape. Where it rejects, the last figures stand. */
  readonly readStore: () => Promise<ObservedStore>;
  /** Bytes of export requests in work. */
  readonly inflightBytes: () => number;
}

const PREFIX = "dynamo_traces_";
/** Why a query had no answer, by the status that says so. */
const REASONS: Readonly<Record<number, string>> = {
  400: "invalid",
  429: "too_many",
  499: "cancelled",
  503: "unavailable",
  504: "timeout",
};

/** Metrics of one traces process. */
export function createTracesMetrics(
  { readStore, inflightBytes }: TracesMetricsOptions,
): TracesMetrics {
  const registry = createRegistry();
  const instruments = createInstruments(registry);
  let store: ObservedStore | undefined;
  observeStore(registry, () => store);
  observedGauge(registry, {
    name: `${PREFIX}inflight_bytes`,
    help: "Export requests in work; DYN_TRACES_INFLIGHT_MB is the most",
  }, inflightBytes);
  return {
    exported({ status, bytes, acceptedSpans, rejectedSpans, durationMs }) {
      if (status !== 200) return instruments.refused.inc({ status: String(status) });
      instruments.spans.inc(acceptedSpans);
      instruments.rejectedSpans.inc(rejectedSpans);
      instruments.bytes.inc(bytes);
      instruments.writeSeconds.observe(durationMs / 1000);
    },
    queried({ kind, status, durationMs }) {
      instruments.querySeconds.observe({ query: kind }, durationMs / 1000);
      // An unknown trace is an answer.
      if (status < 400 || status === 404) return;
      instruments.failures.inc({ query: kind, reason: REASONS[status] ?? "other" });
    },
    async render(accept) {
      store = await readStore().catch(() => store);
      return await renderMetrics(registry, accept);
    },
    describe: () => describeMetrics(registry),
  };
}

function observeStore(registry: MetricsRegistry, read: () => ObservedStore | undefined): void {
  const now = [
    ["store_bytes", "The database in use; DYN_TRACES_MAX_MB is the most", "usedBytes"],
    ["store_spans", "Spans that are stored", "spans"],
  ] as const;
  for (const [name, help, key] of now) {
    observedGauge(registry, { name: `${PREFIX}${name}`, help }, () => read()?.[key]);
  }
  const totals = [
    [
      "query_thread_restarts",
      "Times that a query did not end, and its thread was",
      "queryThreadRestarts",
    ],
    ["broken_files", "Databases that were found broken and set aside", "brokenFiles"],
  ] as const;
  for (const [name, help, key] of totals) {
    observedCounter(registry, { name: `${PREFIX}${name}_total`, help }, () => read()?.[key]);
  }
  new Counter({
    name: `${PREFIX}forgotten_spans_total`,
    help: "Spans that retention deleted, for their age or for want of room (size)",
    labelNames: ["reason"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [reason, spans] of Object.entries(read()?.forgottenSpans ?? {})) {
        this.inc({ reason }, spans);
      }
    },
  });
}

function createInstruments(registry: MetricsRegistry) {
  const registers = [registry];
  const seconds = { buckets: [...SECONDS_BUCKETS], registers };
  return {
    spans: new Counter({
      name: `${PREFIX}received_spans_total`,
      help: "Spans that were taken in and are committed",
      registers,
    }),
    rejectedSpans: new Counter({
      name: `${PREFIX}rejected_spans_total`,
      help: "Spans left out of requests that were taken: without ids, or too large",
      registers,
    }),
    bytes: new Counter({
      name: `${PREFIX}received_bytes_total`,
      help: "Export requests that were taken, as protobuf",
      registers,
    }),
    refused: new Counter({
      name: `${PREFIX}refused_requests_total`,
      help: "Export requests that were not taken, by the answer's HTTP status",
      labelNames: ["status"],
      registers,
    }),
    writeSeconds: new Histogram({
      ...seconds,
      name: `${PREFIX}write_seconds`,
      help: "Arrival of an export request to its commit",
    }),
    querySeconds: new Histogram({
      ...seconds,
      name: `${PREFIX}query_seconds`,
      help: "Time of a query: trace, search, metrics or tags",
      labelNames: ["query"],
    }),
    failures: new Counter({
      name: `${PREFIX}query_failures_total`,
      help: "Queries without an answer: invalid, too_many, cancelled, timeout, unavailable, other",
      labelNames: ["query", "reason"],
      registers,
    }),
  };
}
