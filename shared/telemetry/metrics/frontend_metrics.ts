/** The frontend's metrics: `dynamo_frontend_*`. */

import type { ExporterHealth } from "../telemetry.ts";
import { type Fleet, FleetGauges, type LastRequest } from "./fleet_gauges.ts";
import { createFrontendInstruments } from "./frontend_instruments.ts";
import {
  createRegistry,
  describeMetrics,
  type MetricDescription,
  type MetricsPage,
  observeExporter,
  renderMetrics,
} from "./registry.ts";
import { type RequestLabels, RequestMeter, UNKNOWN_MODEL } from "./request_meter.ts";
import { StageGauge, type StagePlace } from "./stage_gauge.ts";

/** What is read at every scrape. */
export interface ObservedFrontend {
  readonly exporter: ExporterHealth;
  readonly fleet: Fleet;
}

export type TraceContext = "continued" | "ignored" | "absent";

export interface FrontendMetrics {
  /** The models that are served now: the values that the label `model` may have. */
  setModels(names: readonly string[]): void;
  requestStarted(labels: RequestLabels): RequestMeter;
  /** What a request brought along of its client's trace. */
  contextReceived(context: TraceContext): void;
  /** The place of a request among those in progress. */
  stagePlace(): StagePlace;
  /** A request of this worker ended. */
  workerServed(workerId: string, last: LastRequest): void;
  clientDisconnected(): void;
  eventLoopDelayed(delayMs: number): void;
  observe(read: () => ObservedFrontend): void;
  /** The page of /metrics; `accept` is the request's header. */
  render(accept: string): Promise<MetricsPage>;
  /** What there is to see on the page. */
  describe(): readonly MetricDescription[];
}

const STALL_MS = 100;

/** Metrics of one frontend process. */
export function createFrontendMetrics(): FrontendMetrics {
  const registry = createRegistry();
  const instruments = createFrontendInstruments(registry);
  const stages = new StageGauge(registry);
  let models: ReadonlySet<string> = new Set();
  let observed: () => ObservedFrontend | undefined = () => undefined;
  observeExporter(registry, () => observed()?.exporter);
  const fleet = new FleetGauges(registry, () => observed()?.fleet);
  return {
    setModels(names) {
      models = new Set(names);
    },
    requestStarted(labels) {
      const model = models.has(labels.model) ? labels.model : UNKNOWN_MODEL;
      return new RequestMeter(instruments, { ...labels, model });
    },
    contextReceived(context) {
      instruments.traceContexts.inc({ context });
    },
    stagePlace: () => stages.place(),
    workerServed: (workerId, last) => fleet.served(workerId, last),
    clientDisconnected() {
      instruments.disconnected.inc();
    },
    eventLoopDelayed(delayMs) {
      instruments.eventLoopDelay.observe(delayMs / 1000);
      if (delayMs >= STALL_MS) instruments.eventLoopStalls.inc();
    },
    observe(read) {
      observed = read;
    },
    render: (accept) => renderMetrics(registry, accept),
    describe: () => describeMetrics(registry),
  };
}
