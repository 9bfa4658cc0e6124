/** Structured logs: one record, one line, on stderr and where wanted in a file. */
export * from "./filter.ts";
export * from "./line.ts";
export * from "./line_batch.ts";
export * from "./log_file.ts";
export * from "./logger.ts";
export * from "./redact.ts";
