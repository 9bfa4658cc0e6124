/** HTTP answers of errors: the envelope, and `Retry-After` where a little later may go well. */

import type { ApiError } from "../../shared/openai/mod.ts";

/** Workers and queues change within heartbeats of a second. */
const RETRY_AFTER_SECONDS = 1;

export function errorResponse(
  error: ApiError,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return Response.json(error.body(), {
    status: error.kind.status,
    headers: {
      ...headers,
      ...(error.kind.isRetryable ? { "retry-after": String(RETRY_AFTER_SECONDS) } : {}),
    },
  });
}
