import { assertEquals } from "@std/assert/mod.js";
import { type ExportResult, ExportResultCode } from "@opentelemetry/core";
import { OTLPExporterError } from "@opentelemetry/otlp-exporter-base";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import { eventually, within } from "../../../tests/kit/waits.ts";
import { LineLogger, parseLogFilter } from "../log/mod.ts";
import { ExportStats } from "./export_stats.ts";
import { ReliableExporter, type RetryPolicy } from "./exporter.ts";

type Answer = "ok" | "none" | Error | Thrown;
/** Thrown by `export` itself. */
interface Thrown {
  readonly thrown: Error;
}
const OFFLINE = new Error("connect ECONNREFUSED");
const RETRY: RetryPolicy = { firstMs: 1, longestMs: 4, giveUpMs: 60_000 };
const NEVER: RetryPolicy = { firstMs: 3_600_000, longestMs: 3_600_000, giveUpMs: 3_600_000 };

function thrown(error: Error): Thrown {
  return { thrown: error };
}

function refusal(code: number): Error {
  return Object.assign(new Error("refused"), { code });
}

/** A reliable exporter over one that gives the answers in turn, then `ok` for ever. */
function createExporter(answers: Answer[], retry = RETRY) {
  const received: number[] = [];
  const delivered: number[] = [];
  const inner: SpanExporter = {
    export(spans: ReadableSpan[], onResult: (result: ExportResult) => void) {
      const answer = answers.shift() ?? "ok";
      if (typeof answer === "object" && "thrown" in answer) throw answer.thrown;
      if (answer === "none") return;
      if (answer === "ok") received.push(spans.length);
      queueMicrotask(() =>
        onResult(
          answer === "ok"
            ? { code: ExportResultCode.SUCCESS }
            : { code: ExportResultCode.FAILED, error: answer },
        )
      );
    },
    shutdown: () => Promise.resolve(),
  };
  const lines: Record<string, unknown>[] = [];
  const log = new LineLogger({
    target: "telemetry",
    filter: parseLogFilter("info"),
    outputs: [{
      line: { isJsonl: true, useLocalTz: false },
      sink: (line) => lines.push(JSON.parse(line)),
    }],
  });
  const stats = new ExportStats();
  const exporter = new ReliableExporter({
    exporter: inner,
    stats,
    log,
    tracesUrl: "http://collector/v1/traces",
    retry,
    onDelivered: (spans) => delivered.push(spans.length),
  });
  const send = (count: number) => {
    stats.queuedSpans += count;
    return new Promise<ExportResult>((resolve) =>
      exporter.export(Array.from({ length: count }, () => ({}) as ReadableSpan), resolve)
    );
  };
  return { exporter, send, live: stats, received, delivered, lines };
}

Deno.test("ReliableExporter never pauses longer than the longest pause", async () => {
  const failures = Array<Answer>(14).fill(OFFLINE);
  // Pauses that doubled without end would take 16 s.
  const { send, live } = createExporter(failures, { firstMs: 1, longestMs: 2, giveUpMs: 8_000 });
  assertEquals((await send(1)).code, ExportResultCode.SUCCESS);
  assertEquals([live.failedBatches, live.droppedSpans], [14, 0]);
});

Deno.test("ReliableExporter delivers a batch and counts it", async () => {
  const { send, live, received, delivered, lines } = createExporter([]);
  assertEquals((await send(3)).code, ExportResultCode.SUCCESS);
  assertEquals([received, delivered], [[3], [3]]);
  assertEquals(live, Object.assign(new ExportStats(), { exportedSpans: 3 }));
  assertEquals(lines, []);
});

Deno.test("ReliableExporter tries a failed batch again, in order, and tells one outage once", async () => {
  const { send, live, received, lines } = createExporter([OFFLINE, OFFLINE, OFFLINE]);
  await Promise.all([send(1), send(2)]);
  assertEquals(received, [1, 2]);
  assertEquals([live.failedBatches, live.droppedSpans, live.queuedSpans], [3, 0, 0]);
  assertEquals(live.retriedSpans, 3);
  assertEquals(lines.map(({ level, message }) => [level, message]), [
    ["WARN", "cannot export spans; they are kept while the queue has room"],
    ["INFO", "span export works again"],
  ]);
});

Deno.test("ReliableExporter tells why: the collector's status, or what is known of it", async () => {
  const later = new OTLPExporterError("Export failed with retryable status");
  const { send, lines } = createExporter([later, "ok", refusal(404), "ok", OFFLINE]);
  for (let batch = 0; batch < 4; batch++) await send(1);
  assertEquals(
    lines.filter(({ level }) => level === "WARN").map(({ error, status }) => [error, status]),
    [
      ["the collector answers 429, 502, 503 or 504", undefined],
      ["refused", "404"],
      [OFFLINE.message, undefined],
    ],
  );
});

Deno.test("ReliableExporter tells a second outage again", async () => {
  const { send, lines } = createExporter([OFFLINE, "ok", OFFLINE, "ok"]);
  await send(1);
  await send(1);
  assertEquals(lines.map(({ level }) => level), ["WARN", "INFO", "WARN", "INFO"]);
});

Deno.test("ReliableExporter drops a batch that the collector refuses, and goes on with the next", async () => {
  const { send, live, received, delivered } = createExporter([refusal(400)]);
  const [first] = await Promise.all([send(5), send(2)]);
  assertEquals(first.code, ExportResultCode.FAILED);
  assertEquals([received, delivered], [[2], [2]]);
  assertEquals([live.droppedSpans, live.exportedSpans, live.queuedSpans], [5, 2, 0]);
});

Deno.test("ReliableExporter drops a batch that the exporter below cannot encode, and goes on", async () => {
  const { send, live, received } = createExporter([thrown(new RangeError("no integer"))]);
  const [first] = await Promise.all([send(5), send(2)]);
  assertEquals(first.error?.message, "Cannot encode the batch: no integer");
  assertEquals(received, [2]);
  assertEquals([live.droppedSpans, live.exportedSpans, live.queuedSpans], [5, 2, 0]);
});

for (const code of [408, 429, 500, 503]) {
  Deno.test(`ReliableExporter tries again after ${code}`, async () => {
    const { send, received } = createExporter([refusal(code)]);
    await send(1);
    assertEquals(received, [1]);
  });
}

Deno.test("ReliableExporter gives up a batch that is too old", async () => {
  const { send, live } = createExporter([OFFLINE, OFFLINE, OFFLINE], { ...RETRY, giveUpMs: -1 });
  assertEquals((await send(4)).error, OFFLINE);
  assertEquals([live.droppedSpans, live.queuedSpans, live.failedBatches], [4, 0, 1]);
});

Deno.test("ReliableExporter draining makes the waiting attempt at once", async () => {
  const { exporter, send, live, received } = createExporter([OFFLINE], NEVER);
  const sent = send(1);
  await eventually(() => live.failedBatches > 0);
  exporter.drain();
  await sent;
  assertEquals(received, [1]);
});

Deno.test("ReliableExporter draining gives everything up at the first failure", async () => {
  const { exporter, send, live, received } = createExporter([OFFLINE, OFFLINE], NEVER);
  const sent = [send(1), send(2), send(3)];
  await exporter.shutdown();
  await Promise.all(sent);
  assertEquals(received, []);
  assertEquals([live.droppedSpans, live.failedBatches, live.queuedSpans], [6, 1, 0]);
});

Deno.test({
  name: "ReliableExporter waits a moment for the last attempt where an outage is known",
  sanitizeOps: true,
  fn: async () => {
    const { exporter, send, live, lines } = createExporter([OFFLINE, "none"], NEVER);
    const sent = [send(1), send(2)];
    await eventually(() => live.failedBatches > 0);
    await within("the end of the attempt", exporter.shutdown());
    await Promise.all(sent);
    assertEquals([live.droppedSpans, live.queuedSpans], [3, 0]);
    const { message, dropped_spans } = lines.at(-1) ?? {};
    assertEquals([message, dropped_spans], ["could not export all spans before the end", 3]);
  },
});

Deno.test({
  name: "ReliableExporter delivers all that waits where an outage ends with the last attempt",
  sanitizeOps: true,
  fn: async () => {
    const { exporter, send, live, received } = createExporter([OFFLINE], NEVER);
    const sent = [send(1), send(2)];
    await eventually(() => live.failedBatches > 0);
    await exporter.shutdown();
    await Promise.all(sent);
    assertEquals([received, live.droppedSpans], [[1, 2], 0]);
  },
});
