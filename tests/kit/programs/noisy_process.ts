// deno-lint-ignore-file no-console
/**
 * A process with a span of its own whose runtime output goes to its log. Its argument is what it
 * does: `says` things of every kind and ends, or meets an error that nobody catches, which it
 * `throws`, `rejects` or `reports`.
 */

import process from "node:process";
import { logRuntimeOutput } from "../../../shared/process/runtime_output.ts";
import { startTelemetry } from "../../../shared/telemetry/mod.ts";
import { telemetryTestOptions } from "../telemetry_options.ts";

const DEEDS: Readonly<Record<string, () => void>> = {
  says() {
    console.log("hello %s", "world", { a: 1 });
    console.warn("two\nlines");
    console.error(new TypeError("of a library"));
    console.debug("not at this level");
    process.emitWarning("old", "DeprecationWarning");
  },
  throws() {
    setTimeout(() => {
      throw new Error("lost");
    });
    stayAlive();
  },
  rejects() {
    void Promise.reject(new Error("lost"));
    stayAlive();
  },
  reports() {
    stayAlive();
    reportError(new Error("lost"));
  },
};

const telemetry = startTelemetry(telemetryTestOptions("http://127.0.0.1:9/v1/traces", {
  exportEnabled: false,
  logFilter: "info",
  logSpanEvents: true,
}));
logRuntimeOutput(telemetry, 1000);
telemetry.rootSpan("worker_start");
const [deed = ""] = Deno.args;
DEEDS[deed]?.();

function stayAlive(): void {
  setTimeout(() => {}, 60_000);
}
