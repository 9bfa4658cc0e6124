/** TraceQL: parsing, exact evaluation on one trace, metrics over many. */
export * from "./ast.ts";
export * from "./attribute.ts";
export * from "./duration.ts";
export * from "./errors.ts";
export * from "./evaluate.ts";
export * from "./field_value.ts";
export * from "./metrics.ts";
export * from "./metrics_window.ts";
export * from "./parser.ts";
export * from "./span_lookup.ts";
export * from "./static.ts";
export * from "./trace_view.ts";
