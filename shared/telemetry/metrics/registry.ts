/**
 * One process's metrics: a prom-client registry, its buckets, and the page it serves.
 *
 * Names and labels are Dynamo's where Dynamo has the number. Label values come from closed sets: models
 * that are served, endpoints, codes; never from a request's text.
 */

import {
  Counter,
  Gauge,
  type MetricObject,
  type OpenMetricsContentType,
  Registry,
} from "prom-client";
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

export interface MetricDescription {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** What the registry holds, in the order of its making. */
export function describeMetrics(registry: MetricsRegistry): readonly MetricDescription[] {
  return registry.getMetricsAsArray().map((metric) => {
    const { name, help, type, labelNames } = metric as MetricObject & {
      readonly labelNames: readonly string[];
    };
    return { name, type: String(type), help, labels: labelNames };
  });
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

/** A counter whose total is kept elsewhere and read when it is scraped; 0 as `observedGauge`. */
export function observedCounter(
  registry: MetricsRegistry,
  text: { readonly name: string; readonly help: string },
  read: () => number | undefined,
): void {
  new Counter({
    ...text,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(read() ?? 0);
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
    ["retriedSpans", "retried_spans", "Spans that were sent again after a failed attempt"],
    ["keptSpans", "kept_spans", "Spans of unsampled requests exported: slow or failed"],
    ["expiredSpans", "expired_spans", "Spans of unsampled requests let go after their time"],
    ["evictedSpans", "evicted_spans", "Spans of unsampled requests let go for want of memory"],
  ] as const;
  for (const [key, name, help] of totals) {
    observedCounter(
      registry,
      { name: `dynamo_telemetry_${name}_total`, help },
      () => read()?.[key],
    );
  }
  const now = [
    ["queuedSpans", "queued_spans", "Ended spans that wait for the collector"],
    ["heldSpans", "held_spans", "Spans of unsampled requests that may yet be kept"],
    ["heldBytes", "held_bytes", "Estimated memory of the spans that may yet be kept"],
  ] as const;
  for (const [key, name, help] of now) {
    observedGauge(registry, { name: `dynamo_telemetry_${name}`, help }, () => read()?.[key]);
  }
}
