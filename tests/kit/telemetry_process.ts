/**
 * A service reduced to its telemetry, for tests that kill, stop or watch a real process.
 *
 * Arguments: the traces URL, then what to do:
 * - `half-request`: one whole request, then one whose children have ended and whose root has not; then
 *   it waits. SIGTERM shuts it down.
 * - `log`: an info line with a hostile text inside a span, then exits without a shutdown.
 */

import { type ActiveSpan, startTelemetry, type Telemetry } from "../../shared/telemetry/mod.ts";
import { telemetryTestOptions } from "./telemetry_options.ts";

function openRequest(telemetry: Telemetry, requestId: string): ActiveSpan<"http_request"> {
  const root = telemetry.serverSpan("http_request", {}, { xRequestId: requestId, requestId });
  root.child("preprocess").end();
  const routing = root.child("decode_routing");
  routing.child("select_worker", { attributes: { "router.candidates": 1 } }).end();
  routing.end();
  return root;
}

function runHalfRequest(telemetry: Telemetry): void {
  openRequest(telemetry, "whole").end();
  openRequest(telemetry, "half");
  Deno.addSignalListener("SIGTERM", async () => {
    await telemetry.shutdown("SIGTERM", 5_000);
    Deno.exit(0);
  });
  setInterval(() => {}, 60_000);
}

function runLog(telemetry: Telemetry): void {
  const root = openRequest(telemetry, "logged");
  root.log.info('two\nlines {"json": true}', { api_key: "hunter2", tokens: 3 });
  root.end();
  Deno.exit(0);
}

const [tracesUrl = "", scenario] = Deno.args;
const telemetry = startTelemetry(telemetryTestOptions(tracesUrl, {
  logFilter: "info",
  logSpanEvents: scenario === "log",
}));
if (scenario === "half-request") runHalfRequest(telemetry);
else runLog(telemetry);
