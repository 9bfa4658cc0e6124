/** HTTP answers of errors: the envelope, and `Retry-After` where a little later may go well. */

import type { ApiError, Timings } from "../../shared/openai/mod.ts";

/** Workers and queues change within heartbeats of a second. */
const RETRY_AFTER_SECONDS = 1;

export interface ErrorResponseOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** For a client that asked for them. */
  readonly timings?: Timings | undefined;
}

export function errorResponse(
  error: ApiError,
  { headers, timings }: ErrorResponseOptions = {},
): Response {
  return Response.json(error.body(timings), {
    status: error.kind.status,
    headers: {
      ...headers,
      ...(error.kind.isRetryable ? { "retry-after": String(RETRY_AFTER_SECONDS) } : {}),
    },
  });
}
