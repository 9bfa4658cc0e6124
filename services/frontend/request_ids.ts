/** The two ids of a request: the client's, echoed and passed on, and ours, which names the answer. */

import { redactText } from "../../shared/telemetry/log/redact.ts";
import type { RequestIds } from "../../shared/telemetry/telemetry.ts";

/** Visible ASCII, since it goes into headers of HTTP and NATS and into every log line. */
const CLIENT_ID = /^[\x21-\x7e]{1,256}$/;

/**
 * A client's id that could not travel, or that looks like a secret, is replaced, not refused: it is no
 * part of the question.
 */
export function requestIds(clientId: string | null): RequestIds {
  const requestId = crypto.randomUUID();
  const isUsable = clientId !== null && CLIENT_ID.test(clientId) &&
    redactText(clientId) === clientId;
  return { requestId, xRequestId: isUsable ? clientId : requestId };
}
