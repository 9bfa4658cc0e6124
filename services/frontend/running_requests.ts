/** What `/requests` says: the requests that have not ended. Everything is read when somebody asks. */

import { epochMs } from "../../shared/clock/epoch_clock.ts";
import type { Admission } from "./admission.ts";
import type { RunningRequests } from "./api_document.ts";
import type { Outgoing } from "./event_stream.ts";
import type { RequestRecord } from "./request_record.ts";
import type { WorkerReturn } from "./worker_return.ts";

/** What is known of a request in progress. */
export interface InflightRequest {
  readonly record: Pick<RequestRecord, "span" | "running">;
  readonly outgoing: Pick<Outgoing, "writableNeedDrain">;
}

export interface RunningDeps {
  readonly admission: Pick<Admission<InflightRequest>, "requests" | "inflight">;
  readonly workerReturn: Pick<WorkerReturn, "isWaiting">;
}

/** The oldest are what somebody asks for. */
const MOST_LISTED = 100;

export function runningRequests({ admission, workerReturn }: RunningDeps): RunningRequests {
  const nowMs = epochMs();
  const requests = admission.requests.take(MOST_LISTED).map(({ record, outgoing }) => ({
    ...record.running(nowMs),
    ...(workerReturn.isWaiting(record.span) ? { stage: "wait_for_worker" as const } : {}),
    waits_for_client: outgoing.writableNeedDrain,
  })).toArray();
  return { requests, more: admission.inflight - requests.length };
}
