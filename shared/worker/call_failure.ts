/** What ended a call, as the error that its caller gets. */

import { CallAborted, HandlerError } from "../bus/mod.ts";

/** Maps any thrown value; an aborted call counts by why it was aborted, whatever was thrown then. */
export function callFailure(error: unknown, signal: AbortSignal): HandlerError {
  if (signal.aborted) {
    const cause = signal.reason instanceof CallAborted ? signal.reason.cause_ : "cancelled";
    return cause === "deadline_exceeded"
      ? new HandlerError("deadline_exceeded", "The request's time was up")
      : new HandlerError("cancelled", "The caller left");
  }
  if (error instanceof HandlerError) return error;
  if (error instanceof RangeError) return new HandlerError("bad_request", error.message);
  return new HandlerError("internal", error instanceof Error ? error.message : String(error));
}
