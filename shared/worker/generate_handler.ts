/** Serves `generate`: one call of the frontend, one `handle_payload` span, one outcome. */

import { type CallHandler, HandlerError, type IncomingCall } from "../bus/mod.ts";
import { epochMs } from "../clock/epoch_clock.ts";
import { parseWorkRequest, type WorkErrorCode, type WorkRequest } from "../messages/mod.ts";
import { exemplarOf } from "../telemetry/metrics/mod.ts";
import type { ActiveSpan, RequestIds } from "../telemetry/telemetry.ts";
import { callFailure, cancellationOf } from "./call_failure.ts";
import { type EndFrame, GenerateRun } from "./generate_run.ts";
import type { WorkerContext } from "./worker_context.ts";

/** Dynamo's words for failures: `error_type` of log lines, at the frontend as here. */
const ERROR_TYPES: Readonly<Record<WorkErrorCode, string>> = {
  overloaded: "overload",
  too_long: "validation",
  draining: "unavailable",
  transfer_failed: "unavailable",
  engine_failed: "internal",
  bad_request: "validation",
  internal: "internal",
  cancelled: "cancelled",
  deadline_exceeded: "response_timeout",
};
const ERROR_TYPE_OF: ReadonlyMap<string, string> = new Map(Object.entries(ERROR_TYPES));

/** The handler of the `generate` endpoint. */
export function generateHandler(context: WorkerContext): CallHandler {
  return async function generate(call: IncomingCall): Promise<void> {
    const receivedAtMs = epochMs();
    const ids: RequestIds = {
      xRequestId: call.headers["x-request-id"] ?? "",
      requestId: call.headers["request-id"] ?? call.callId,
    };
    const span = openSpan(context, call, ids, receivedAtMs);
    const meter = context.metrics.requestStarted();
    const end = (outcome: string) => meter.end(outcome, exemplarOf(span));
    let endMs: number | undefined;
    span.log.info("request received");
    try {
      const request = readRequest(call.payload, context.modelName);
      span.set({ phase: request.phase, attempt: request.attempt });
      const { finishReason, timings } = await new GenerateRun(
        { context, call, span, meter, request, ids, receivedAtMs },
      ).run();
      // The caller's span ends with the end frame: what follows is about this one, and no part of it.
      endMs = timings.endAtMs;
      end("success");
      endWell(span, finishReason, epochMs() - receivedAtMs);
    } catch (error) {
      const failure = callFailure(error, call.signal);
      const elapsedMs = epochMs() - receivedAtMs;
      if (failure.code !== "cancelled") {
        end(failure.code);
        endFailed(span, failure, elapsedMs);
      } else {
        const signal = cancellationOf(call.signal);
        end(signal === "stop_string" ? "success" : "cancelled");
        endCancelled(span, signal, elapsedMs);
      }
      throw failure;
    } finally {
      span.end(endMs);
    }
  };
}

function openSpan(
  context: WorkerContext,
  call: IncomingCall,
  ids: RequestIds,
  startMs: number,
): ActiveSpan<"handle_payload"> {
  return context.telemetry.serverSpan("handle_payload", call.headers, ids, {
    startMs,
    attributes: {
      component: context.role,
      endpoint: "generate",
      namespace: context.namespace,
      instance_id: context.instanceId,
      "gen_ai.request.model": context.modelName,
      "engine.backend": context.engine.info.device.backend,
      "messaging.system": "nats",
      "messaging.operation.name": "process",
      "messaging.operation.type": "process",
      "messaging.destination.template": `dyn.{namespace}.${context.role}.generate.{instance}`,
    },
  });
}

function endWell(
  span: ActiveSpan<"handle_payload">,
  finishReason: EndFrame["finishReason"],
  elapsedMs: number,
): void {
  span.set({ "request.outcome": "success", "gen_ai.response.finish_reasons": [finishReason] });
  span.log.info("request completed", { status: "success", elapsed_ms: elapsedMs });
}

function endCancelled(
  span: ActiveSpan<"handle_payload">,
  signal: string,
  elapsedMs: number,
): void {
  span.set({ "cancellation.signal": signal });
  // Only the frontend sees stop strings: a text that met one is whole.
  if (signal === "stop_string") return endWell(span, "stop", elapsedMs);
  span.set({ "request.outcome": "cancelled" });
  const fields = {
    status: "cancelled",
    error_type: ERROR_TYPES.cancelled,
    cancellation_signal: signal,
    elapsed_ms: elapsedMs,
  };
  // The caller's own attempt is over: nobody waits for this one.
  if (signal === "superseded") span.log.info("request cancelled", fields);
  else span.log.warn("request cancelled", fields);
}

function endFailed(
  span: ActiveSpan<"handle_payload">,
  failure: HandlerError,
  elapsedMs: number,
): void {
  const outcome = failure.code === "overloaded" ? "rejected" : "error";
  span.set({ "request.outcome": outcome });
  span.fail(failure.code, failure.message);
  const fields = {
    status: outcome,
    error_type: ERROR_TYPE_OF.get(failure.code) ?? "internal",
    error_code: failure.code,
    error_detail: failure.message,
    elapsed_ms: elapsedMs,
  };
  if (outcome === "rejected") span.log.warn("request rejected", fields);
  else span.log.error("request completed", fields);
}

function readRequest(payload: unknown, modelName: string): WorkRequest {
  try {
    const request = parseWorkRequest(payload);
    if (request.model === modelName) return request;
    throw new TypeError(`this worker serves "${modelName}", not "${request.model}"`);
  } catch (error) {
    throw new HandlerError("bad_request", error instanceof Error ? error.message : String(error));
  }
}
