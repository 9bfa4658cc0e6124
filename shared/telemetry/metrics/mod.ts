/** Prometheus metrics of the frontend and of workers. */
export * from "./frontend_metrics.ts";
export type { MetricsPage } from "./registry.ts";
export * from "./worker_metrics.ts";
