/**
 * The requests that run now, as the frontend tells, and those that have just ended: their traces come
 * when they were exported.
 */

import { fetchJson } from "./backend.ts";
import { asNumber, asRecord, asRecords, asText, type Json } from "./json.ts";

/** A frontend that does not answer in this time tells nothing. */
const TIMEOUT_MS = 10_000;
/** So long an ended request stays in sight without its trace. */
const ENDED_SHOWN_MS = 60_000;
/** Those that have ended stand below, in a list of their own length. */
const MOST_SHOWN = { running: 20, ended: 5 };
/** A request that gets no token for so long stands out. */
const QUIET_MS = 5_000;

/** A request that had not ended when the frontend was asked. */
export interface RunningRequest {
  readonly requestId: string;
  readonly traceId: string;
  /** Its trace will come. */
  readonly isSampled: boolean;
  readonly receivedAtMs: number;
  readonly ageMs: number;
  /** As in Server-Timing. */
  readonly stage: string;
  /** Empty before it is known. */
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** NaN before there is one. */
  readonly lastTokenAgeMs: number;
  readonly ttftMs: number;
  readonly averageItlMs: number;
  readonly waitsForClient: boolean;
  readonly attempts: number;
  /** In the order in which they work on it. */
  readonly workerIds: readonly string[];
}

export interface RunningAnswer {
  /** The oldest first. */
  readonly requests: readonly RunningRequest[];
  /** Younger ones that the frontend left out. */
  readonly more: number;
}

/** Asks the frontend what runs. Rejects where it does not tell. */
export async function fetchRunning(signal: AbortSignal): Promise<RunningAnswer> {
  const timed = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  return readRunning(await fetchJson("/frontend/requests", timed));
}

/** Exported for what the frontend sends. */
export function readRunning(answer: unknown): RunningAnswer {
  const { requests, more } = asRecord(answer);
  return { requests: asRecords(requests).map(readRequest), more: asNumber(more) || 0 };
}

function readRequest(request: Json): RunningRequest {
  return {
    requestId: asText(request.request_id),
    traceId: asText(request.trace_id),
    isSampled: request.sampled === true,
    receivedAtMs: Date.parse(asText(request.received_at)),
    ageMs: asNumber(request.age_ms),
    stage: asText(request.stage),
    model: asText(request.model),
    inputTokens: asNumber(request.input_tokens),
    outputTokens: asNumber(request.output_tokens),
    lastTokenAgeMs: asNumber(request.last_token_age_ms),
    ttftMs: asNumber(request.ttft_ms),
    averageItlMs: asNumber(request.avg_itl_ms),
    waitsForClient: request.waits_for_client === true,
    attempts: asNumber(request.attempts),
    workerIds: [request.prefill_worker_id, request.decode_worker_id]
      .map(asText).filter((id) => id !== ""),
  };
}

/** How long a request has had no token, where that is long; null where it is not, or not its fault. */
export function quietMs(request: RunningRequest): number | null {
  const { lastTokenAgeMs, ageMs, waitsForClient } = request;
  const ms = Number.isNaN(lastTokenAgeMs) ? ageMs : lastTokenAgeMs;
  return !waitsForClient && ms >= QUIET_MS ? ms : null;
}

export interface ShownRequest {
  readonly request: RunningRequest;
  /** Its trace is on the way. */
  readonly hasEnded: boolean;
}

export interface ShownRequests {
  /** Those without a token first, then the oldest; those that have ended last. */
  readonly shown: readonly ShownRequest[];
  /** How many more run; 0 unless the wanted ones are more than are shown. */
  readonly more: number;
}

export interface Choice {
  /** Requests whose traces have come. */
  readonly arrivedIds: ReadonlySet<string>;
  readonly isWanted: (request: RunningRequest) => boolean;
}

export class RunningRequests {
  #running: readonly RunningRequest[] = [];
  /** By request id, with the time at which it was missed. */
  readonly #ended = new Map<string, { request: RunningRequest; atMs: number }>();
  #more = 0;

  /** Takes what the frontend told at a time. */
  update({ requests, more }: RunningAnswer, nowMs: number): void {
    const runningIds = new Set(requests.map(({ requestId }) => requestId));
    for (const request of this.#running) {
      const { requestId, isSampled } = request;
      if (isSampled && !runningIds.has(requestId)) {
        this.#ended.set(requestId, { request, atMs: nowMs });
      }
    }
    for (const [requestId, { atMs }] of this.#ended) {
      if (nowMs - atMs > ENDED_SHOWN_MS) this.#ended.delete(requestId);
    }
    this.#running = requests;
    this.#more = more;
  }

  /** The traces of these have come: nobody waits for them any more, whatever is searched for next. */
  arrived(requestIds: ReadonlySet<string>): void {
    for (const requestId of requestIds) this.#ended.delete(requestId);
  }

  /** Nothing is known any more. */
  clear(): void {
    this.#running = [];
    this.#ended.clear();
    this.#more = 0;
  }

  choose({ arrivedIds, isWanted }: Choice): ShownRequests {
    const isShown = (request: RunningRequest) =>
      !arrivedIds.has(request.requestId) && isWanted(request);
    const running = this.#running.filter(isShown)
      .sort((a, b) => Number(quietMs(b) !== null) - Number(quietMs(a) !== null));
    const hidden = running.length - MOST_SHOWN.running;
    const ended = [...this.#ended.values()].map(({ request }) => request).filter(isShown);
    return {
      shown: [
        ...running.slice(0, MOST_SHOWN.running)
          .map((request) => ({ request, hasEnded: false })),
        ...ended.slice(-MOST_SHOWN.ended).map((request) => ({ request, hasEnded: true })),
      ],
      more: hidden > 0 ? hidden + this.#more : 0,
    };
  }
}
