/** Configuration: one schema, read once at start. */
export * from "./load.ts";
export * from "./shown_settings.ts";
export * from "./table.ts";
export * from "./telemetry_options.ts";
export * from "./tempo_headers.ts";
export * from "./variables.ts";
export * from "./version.ts";
