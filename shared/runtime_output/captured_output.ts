/**
 * Takes what libraries and the runtime say in one thread, instead of letting it out: console, warnings,
 * and errors that nobody caught.
 */

import process from "node:process";
import { format } from "node:util";

export interface CapturedOutput {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly text: string;
  /** `warning`: its class. `error` and `stack`: of an error that nobody caught. */
  readonly fields: Readonly<Record<string, string>>;
}

const LEVELS = {
  debug: "debug",
  log: "info",
  info: "info",
  warn: "warn",
  error: "error",
  trace: "debug",
} as const satisfies Record<string, CapturedOutput["level"]>;

/** Takes over the thread's console and the runtime's warnings. */
export function captureOutput(take: (output: CapturedOutput) => void): void {
  for (const [method, level] of Object.entries(LEVELS)) {
    const write = (...values: unknown[]) => take({ level, text: format(...values), fields: {} });
    Object.defineProperty(globalThis.console, method, { value: write, writable: true });
  }
  // The runtime's own listener prints them.
  process.removeAllListeners("warning");
  process.on("warning", ({ name, message }) => {
    take({ level: "warn", text: message, fields: { warning: name } });
  });
}

/** Takes errors that nobody caught in the thread, which then goes on: `end` has to end it. */
export function captureUncaught(
  take: (output: CapturedOutput) => void,
  end: (error: Error) => void,
): void {
  const uncaught = (event: Event, thrown: unknown) => {
    event.preventDefault();
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    try {
      const { message, stack = "" } = error;
      take({ level: "error", text: "uncaught error", fields: { error: message, stack } });
    } finally {
      end(error);
    }
  };
  addEventListener("error", (event) => uncaught(event, event.error));
  addEventListener("unhandledrejection", (event) => uncaught(event, event.reason));
}
