/** W3C Trace Context and Baggage headers: pure parsing and formatting. */
export * from "./baggage.ts";
export * from "./traceparent.ts";
export * from "./tracestate.ts";
