/** What `/requests` says: the requests that have not ended. Everything is read when somebody asks. */

import { epochMs } from "../../shared/clock/epoch_clock.ts";
import type { Admission } from "./admission.ts";
import type { RunningRequests } from "./api_document.ts";
import type { Outgoing } from "./event_stream.ts";
import type { RequestRecord } from "./request_record.ts";

/** What is known of a request in progress. */
export interface InflightRequest {
  readonly record: Pick<RequestRecord, "running">;
  readonly outgoing: Pick<Outgoing, "writableNeedDrain">;
}

/** The oldest are what somebody asks for. */
const MOST_LISTED = 100;

export function runningRequests(
  { requests, inflight }: Admission<InflightRequest>,
): RunningRequests {
  const nowMs = epochMs();
  const listed = requests.take(MOST_LISTED).map(({ record, outgoing }) => ({
    ...record.running(nowMs),
    waits_for_client: outgoing.writableNeedDrain,
  })).toArray();
  return { requests: listed, more: inflight - listed.length };
}
