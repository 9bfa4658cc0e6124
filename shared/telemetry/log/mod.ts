/** Structured logs: one record, one line, on stderr. */
export * from "./filter.ts";
export * from "./line.ts";
export * from "./logger.ts";
