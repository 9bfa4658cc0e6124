/** Trace Context, Baggage and B3 headers: pure parsing and formatting. */
export * from "./baggage.ts";
export * from "./extract.ts";
export * from "./trace_level.ts";
export * from "./traceparent.ts";
export * from "./tracestate.ts";
