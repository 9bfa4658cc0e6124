/** Calls that answer with a stream, heartbeats and bulk transfers over NATS. */
export * from "./bus.ts";
export { connectBus } from "./nats_bus.ts";
