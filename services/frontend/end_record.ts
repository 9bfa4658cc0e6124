/** The one line of the log that tells how a request ended. */

import type { ApiError } from "../../shared/openai/mod.ts";
import type { LogFields, Logger } from "../../shared/telemetry/telemetry.ts";

export type RequestOutcome = "success" | "error" | "cancelled" | "rejected";

export interface RequestEnd {
  readonly outcome: RequestOutcome;
  readonly error: ApiError | undefined;
}

/** Writes it at the level of the outcome: only what is our fault is an error. */
export function logEnd(log: Logger, { outcome, error }: RequestEnd, facts: LogFields): void {
  const fields = error === undefined ? facts : {
    ...facts,
    error_type: error.kind.label,
    error_code: error.code,
    error_detail: error.message,
  };
  switch (outcome) {
    case "success":
      return log.info("request completed", fields);
    case "cancelled":
      return log.warn("request cancelled", fields);
    case "rejected":
      return log.warn("request rejected", fields);
    case "error":
      return log.error("request completed", { ...fields, cause: causeOf(error) });
  }
}

/** The operator sees what the client does not. */
function causeOf(error: ApiError | undefined): string | null {
  const cause = error?.cause;
  if (cause === undefined) return null;
  return cause instanceof Error ? cause.stack ?? cause.message : String(cause);
}
