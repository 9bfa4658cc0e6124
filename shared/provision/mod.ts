/** What a machine needs before Baton runs on it, and processes that end with their parent. */
export * from "./adapter.ts";
export * from "./errors.ts";
export * from "./nats_server.ts";
export * from "./parent_watch.ts";
export * from "./run_command.ts";
export * from "./vulkan.ts";
