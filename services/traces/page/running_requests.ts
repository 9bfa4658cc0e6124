/**
 * The requests that run now, as the frontend tells, and those that have just ended: their traces come
 * when they were exported.
 */

import { fetchJson } from "./backend.ts";
import { asNumber, asRecord, asRecords, asText, type Json } from "./json.ts";

/** A frontend that does not answer in this time tells nothing. */
const TIMEOUT_MS = 5_000;
/** So long an ended request stays in sight without its trace, which may never come: it was not sampled. */
const ENDED_SHOWN_MS = 10_000;
/** A request that gets no token for so long stands out. */
const QUIET_MS = 5_000;

/** A request that had not ended when the frontend was asked. */
export interface RunningRequest {
  readonly requestId: string;
  readonly traceId: string;
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

export class RunningRequests {
  readonly #known = new Map<string, { request: RunningRequest; endedAtMs: number | null }>();

  /** Takes what the frontend told at a time. */
  update({ requests }: RunningAnswer, nowMs: number): void {
    const running = new Set(requests.map(({ requestId }) => requestId));
    for (const [requestId, known] of this.#known) {
      if (running.has(requestId)) continue;
      known.endedAtMs ??= nowMs;
      if (nowMs - known.endedAtMs > ENDED_SHOWN_MS) this.#known.delete(requestId);
    }
    for (const request of requests) {
      this.#known.set(request.requestId, { request, endedAtMs: null });
    }
  }

  /** Nothing is known any more. */
  clear(): void {
    this.#known.clear();
  }

  /** The oldest first, without those whose traces have come. */
  without(requestIds: ReadonlySet<string>): ShownRequest[] {
    return [...this.#known.values()]
      .filter(({ request }) => !requestIds.has(request.requestId))
      .map(({ request, endedAtMs }) => ({ request, hasEnded: endedAtMs !== null }))
      .sort((a, b) => a.request.receivedAtMs - b.request.receivedAtMs);
  }
}
