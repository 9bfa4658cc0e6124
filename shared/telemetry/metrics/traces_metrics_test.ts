import { assertStringIncludes } from "@std/assert/mod.js";
import { createTracesMetrics, type ObservedStore } from "./traces_metrics.ts";

const STORE: ObservedStore = {
  usedBytes: 4096,
  spans: 70,
  forgottenSpans: { age: 20, size: 10 },
  queryThreadRestarts: 1,
  brokenFiles: 0,
};

function assertLines(body: string, lines: readonly string[]): void {
  for (const line of lines) assertStringIncludes(body, `\n${line}\n`);
}

Deno.test("exported counts what was taken, and by status what was not", async () => {
  const metrics = createTracesMetrics({
    readStore: () => Promise.resolve(STORE),
    inflightBytes: () => 12,
  });
  const request = { bytes: 100, acceptedSpans: 3, rejectedSpans: 1, durationMs: 20 };
  metrics.exported({ status: 200, ...request });
  metrics.exported({ status: 429, ...request });
  const { body } = await metrics.render("");
  assertLines(body, [
    "dynamo_traces_received_spans_total 3",
    "dynamo_traces_rejected_spans_total 1",
    "dynamo_traces_received_bytes_total 100",
    'dynamo_traces_refused_requests_total{status="429"} 1',
    "dynamo_traces_write_seconds_sum 0.02",
    "dynamo_traces_inflight_bytes 12",
  ]);
});

Deno.test("queried times a query by its kind, and tells why one had no answer", async () => {
  const metrics = createTracesMetrics({
    readStore: () => Promise.resolve(STORE),
    inflightBytes: () => 0,
  });
  metrics.queried({ kind: "trace", status: 404, durationMs: 1 });
  metrics.queried({ kind: "search", status: 504, durationMs: 1000 });
  const { body } = await metrics.render("");
  assertLines(body, [
    'dynamo_traces_query_seconds_count{query="trace"} 1',
    'dynamo_traces_query_seconds_sum{query="search"} 1',
    'dynamo_traces_query_failures_total{query="search",reason="timeout"} 1',
  ]);
});

Deno.test("render reads the store, and keeps the last figures where it does not answer", async () => {
  let isBroken = false;
  const metrics = createTracesMetrics({
    readStore: () => isBroken ? Promise.reject(new Error("gone")) : Promise.resolve(STORE),
    inflightBytes: () => 0,
  });
  const lines = [
    "dynamo_traces_store_bytes 4096",
    "dynamo_traces_store_spans 70",
    'dynamo_traces_forgotten_spans_total{reason="age"} 20',
    'dynamo_traces_forgotten_spans_total{reason="size"} 10',
    "dynamo_traces_query_thread_restarts_total 1",
  ];
  assertLines((await metrics.render("")).body, lines);
  isBroken = true;
  assertLines((await metrics.render("")).body, lines);
});
