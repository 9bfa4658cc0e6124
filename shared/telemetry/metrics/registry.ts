/**
 * One process's metrics: a prom-client registry, its buckets, and the page it serves.
 *
 * Names and labels are Dynamo's where Dynamo has the number. Label values come from closed sets: models
 * that are served, endpoints, codes; never from a request's text.
 */

import { Counter, Gauge, type OpenMetricsContentType, Registry } from "prom-client";
import type { ExporterHealth } from "../telemetry.ts";
import { toPrometheusText } from "./prometheus_text.ts";

export type MetricsRegistry = Registry<OpenMetricsContentType>;

/** Seconds, 1 ms to 10 min. */
export const SECONDS_BUCKETS: readonly number[] = [
  ...[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5],
  ...[1, 2, 5, 10, 20, 30, 60, 120, 300, 600],
];
/** Tokens or rows, powers of two. */
export const COUNT_BUCKETS: readonly number[] = Array.from({ length: 18 }, (_, i) => 2 ** i);

export interface MetricsPage {
  readonly body: string;
  readonly contentType: string;
}

/** An empty registry. It speaks OpenMetrics, so that histograms may carry trace ids as exemplars. */
export function createRegistry(): MetricsRegistry {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  return registry;
}

/** The registry's page: OpenMetrics with exemplars for a scraper that accepts it, else classic text. */
export async function renderMetrics(
  registry: MetricsRegistry,
  accept: string,
): Promise<MetricsPage> {
  const openMetrics = await registry.metrics();
  return accept.includes("application/openmetrics-text")
    ? { body: openMetrics, contentType: Registry.OPENMETRICS_CONTENT_TYPE }
    : { body: toPrometheusText(openMetrics), contentType: Registry.PROMETHEUS_CONTENT_TYPE };
}

/** A gauge that is read when it is scraped; 0 while `read` has nothing to say. */
export function observedGauge(
  registry: MetricsRegistry,
  text: { readonly name: string; readonly help: string },
  read: () => number | undefined,
): void {
  new Gauge({
    ...text,
    registers: [registry],
    collect() {
      this.set(read() ?? 0);
    },
  });
}

/** The exporter's own numbers, read when they are scraped. */
export function observeExporter(
  registry: MetricsRegistry,
  read: () => ExporterHealth | undefined,
): void {
  const totals = [
    ["exportedSpans", "exported_spans", "Spans that the collector has taken"],
    ["droppedSpans", "dropped_spans", "Spans lost: queue full, batch refused or outage too long"],
    ["failedBatches", "failed_batches", "Export attempts that failed"],
  ] as const;
  for (const [key, name, help] of totals) {
    new Counter({
      name: `dynamo_telemetry_${name}_total`,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(read()?.[key] ?? 0);
      },
    });
  }
  observedGauge(registry, {
    name: "dynamo_telemetry_queued_spans",
    help: "Ended spans that wait for the collector",
  }, () => read()?.queuedSpans);
}
