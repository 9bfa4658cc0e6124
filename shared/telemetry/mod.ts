/** Telemetry of a process: spans by registered role, propagation, logs, exporter health. */
export { startTelemetry } from "./emit/start.ts";
export { parseLogFilter } from "./log/mod.ts";
export { type AttributeValues, type SpanRole, SPANS, type SpanSpec } from "./registry/mod.ts";
export * from "./telemetry.ts";
