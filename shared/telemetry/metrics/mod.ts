/** Prometheus metrics of the frontend and of workers. */
export * from "./event_loop_watch.ts";
export { exemplarOf } from "./exemplar.ts";
export type { FleetWorker, LastRequest } from "./fleet_gauges.ts";
export * from "./frontend_metrics.ts";
export type { MetricsPage } from "./registry.ts";
export * from "./request_meter.ts";
export type { CurrentStage, StagePhase } from "./stage_gauge.ts";
export * from "./traces_metrics.ts";
export * from "./worker_metrics.ts";
export type { WorkerRequestMeter } from "./worker_request_meter.ts";
