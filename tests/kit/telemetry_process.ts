/**
 * A service reduced to its telemetry, for tests that kill, stop or watch a real process.
 *
 * Arguments: the traces URL, then what to do:
 * - `half-request`: one whole request, then one whose children have ended and whose root has not; then
 *   it waits. SIGTERM shuts it down.
 * - `queue` and a number of spans: whole requests that wait for export; it says `queued` and waits for
 *   SIGTERM.
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

/** Of openRequest. */
const REQUEST_SPANS = 4;

function runHalfRequest(telemetry: Telemetry): void {
  openRequest(telemetry, "whole").end();
  openRequest(telemetry, "half");
  waitForSigterm(telemetry);
}

function runQueue(telemetry: Telemetry, spans: number): void {
  for (let at = 0; at < spans / REQUEST_SPANS; at++) openRequest(telemetry, `queued-${at}`).end();
  waitForSigterm(telemetry);
  Deno.stdout.writeSync(new TextEncoder().encode("queued\n"));
}

function waitForSigterm(telemetry: Telemetry): void {
  Deno.addSignalListener("SIGTERM", async () => {
    await telemetry.shutdown("SIGTERM", 30_000);
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

const [tracesUrl = "", scenario, count] = Deno.args;
const telemetry = startTelemetry(telemetryTestOptions(tracesUrl, {
  logFilter: "info",
  logSpanEvents: scenario === "log",
  ...(scenario === "queue" && { queueSize: 8192, batchSize: 8192, scheduleDelayMs: 60_000 }),
}));
if (scenario === "half-request") runHalfRequest(telemetry);
else if (scenario === "queue") runQueue(telemetry, Number(count));
else runLog(telemetry);
