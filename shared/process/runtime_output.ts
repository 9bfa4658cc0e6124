/**
 * What libraries and the runtime say comes out as the service's own log lines, and an error that nobody
 * caught ends the process with its spans and lines delivered.
 */

import process from "node:process";
import { format } from "node:util";
import type { Logger, Telemetry } from "../telemetry/mod.ts";

const LEVELS = {
  debug: "debug",
  log: "info",
  info: "info",
  warn: "warn",
  error: "error",
  trace: "debug",
} as const satisfies Record<string, keyof Logger>;

/**
 * Takes over the console and the runtime's warnings. Errors that nobody caught are logged, and end the
 * process with code 1.
 */
export function logRuntimeOutput(telemetry: Telemetry, exitTimeoutMs: number): void {
  const log = telemetry.logger("console");
  for (const [method, level] of Object.entries(LEVELS)) {
    const write = (...values: unknown[]) => log[level](format(...values));
    Object.defineProperty(globalThis.console, method, { value: write, writable: true });
  }
  // The runtime's own listener prints them.
  process.removeAllListeners("warning");
  process.on("warning", ({ name, message }) => log.warn(message, { warning: name }));
  let isEnding = false;
  const end = async (event: Event, error: unknown) => {
    event.preventDefault();
    const isFirst = !isEnding;
    isEnding = true;
    try {
      const { message, stack } = error instanceof Error ? error : new Error(String(error));
      telemetry.log.error("uncaught error", { error: message, stack });
    } finally {
      if (isFirst) {
        await telemetry.shutdown("uncaught error", exitTimeoutMs);
        Deno.exit(1);
      }
    }
  };
  addEventListener("error", (event) => void end(event, event.error));
  addEventListener("unhandledrejection", (event) => void end(event, event.reason));
}
