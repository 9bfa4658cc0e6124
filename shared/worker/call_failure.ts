/** What ended a call, as the error that its caller gets. */

import { CallAborted, HandlerError } from "../bus/mod.ts";
import { cancellationSignal } from "../messages/mod.ts";

/** Maps any thrown value; an aborted call counts by why it was aborted, whatever was thrown then. */
export function callFailure(error: unknown, signal: AbortSignal): HandlerError {
  if (signal.aborted) {
    switch (signal.reason instanceof CallAborted ? signal.reason.abortCause : "cancelled") {
      case "deadline_exceeded":
        return new HandlerError("deadline_exceeded", "The request's time was up");
      case "closed":
        return new HandlerError("draining", "The worker stopped before the request had ended");
      case "cancelled":
      case "caller_lost":
        return new HandlerError("cancelled", "The caller left");
    }
  }
  if (error instanceof HandlerError) return error;
  if (error instanceof RangeError) return new HandlerError("bad_request", error.message);
  return new HandlerError("internal", error instanceof Error ? error.message : String(error));
}

/** What cancelled a call: the signal that its caller named, `cancelled` where it named none, or `caller_lost`. */
export function cancellationOf(signal: AbortSignal): string {
  if (!(signal.reason instanceof CallAborted)) return "cancelled";
  const { abortCause, headers } = signal.reason;
  return abortCause === "caller_lost" ? abortCause : cancellationSignal(headers) ?? "cancelled";
}
