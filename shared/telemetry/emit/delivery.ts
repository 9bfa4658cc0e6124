/** The way of ended spans to the collector: batches, then the exporter that does not give up at once. */

import { BatchSpanProcessor } from "@opentelemetry/sdk-trace";
import type { TelemetryOptions } from "../telemetry.ts";
import { ReliableExporter, type ReliableExporterOptions } from "./exporter.ts";
import { createOtlpExporter } from "./otlp_exporter.ts";

/** The reliable exporter ends every export by itself; the batch processor's own limit stays away. */
const NO_LIMIT_MS = 2 ** 31 - 1;
const RETRY = { firstMs: 1000, longestMs: 30_000 };

export function createDelivery(
  options: TelemetryOptions,
  own: Pick<ReliableExporterOptions, "stats" | "log" | "onDelivered">,
): ReliableExporter {
  return new ReliableExporter({
    ...own,
    exporter: createOtlpExporter(options),
    tracesUrl: options.tracesUrl,
    retry: { ...RETRY, giveUpMs: options.batchTimeoutMs },
  });
}

export function createBatches(
  options: TelemetryOptions,
  exporter: ReliableExporter,
): BatchSpanProcessor {
  return new BatchSpanProcessor({
    exporter,
    maxQueueSize: options.queueSize,
    maxExportBatchSize: options.batchSize,
    scheduledDelayMillis: options.scheduleDelayMs,
    exportTimeoutMillis: NO_LIMIT_MS,
  });
}
