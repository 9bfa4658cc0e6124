/** What the page asks of its own origin: traces by Tempo's API, and the frontend behind the proxy. */

import { readOtlpJson } from "../../../shared/trace_view/otlp_json.ts";
import type { ViewSpan } from "../../../shared/trace_view/span.ts";
import { asNumber, asRecord, asRecords, asText, type Json } from "./json.ts";

/** A trace of the list, with what its request span tells. */
export interface FoundRequest {
  readonly traceId: string;
  readonly title: string;
  readonly startMs: number;
  readonly durationMs: number;
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly services: readonly string[];
  readonly errorCount: number;
}

export interface SearchOptions {
  readonly limit: number;
  readonly sinceSeconds: number;
  readonly signal: AbortSignal;
}

/** Spans of one trace; none while it is not known. */
export async function fetchTrace(traceId: string, signal: AbortSignal): Promise<ViewSpan[]> {
  return readOtlpJson(await fetchJson(`/api/v2/traces/${encodeURIComponent(traceId)}`, signal));
}

/** The newest traces that a TraceQL query finds. Rejects with the service's own words. */
export async function searchTraces(q: string, options: SearchOptions): Promise<FoundRequest[]> {
  const endSeconds = Math.ceil(Date.now() / 1000) + 1;
  const parameters = new URLSearchParams({
    q,
    limit: String(options.limit),
    start: String(endSeconds - options.sinceSeconds),
    end: String(endSeconds),
    spss: "1",
  });
  const answer = asRecord(await fetchJson(`/api/search?${parameters}`, options.signal));
  return asRecords(answer.traces).map(foundRequest).sort((a, b) => b.startMs - a.startMs);
}

function foundRequest(trace: Json): FoundRequest {
  const [span = {}] = asRecords(asRecord(trace.spanSet).spans);
  const services = Object.entries(asRecord(trace.serviceStats));
  const spanMs = asNumber(span.durationNanos) / 1e6;
  return {
    traceId: asText(trace.traceID).padStart(32, "0"),
    title: asText(trace.rootTraceName),
    startMs: asNumber(trace.startTimeUnixNano) / 1e6,
    durationMs: Number.isNaN(spanMs) ? asNumber(trace.durationMs) || 0 : spanMs,
    attributes: Object.fromEntries(
      asRecords(span.attributes).flatMap(({ key, value }): [string, string | number][] => {
        const { stringValue, intValue, doubleValue } = asRecord(value);
        if (typeof stringValue === "string") return [[asText(key), stringValue]];
        const number = asNumber(intValue ?? doubleValue);
        return Number.isNaN(number) ? [] : [[asText(key), number]];
      }),
    ),
    services: services.map(([name]) => name).sort(),
    errorCount: services
      .reduce((sum, [, stats]) => sum + (asNumber(asRecord(stats).errorCount) || 0), 0),
  };
}

/** Names of the models that are served. */
export async function fetchModels(signal: AbortSignal): Promise<string[]> {
  const answer = asRecord(await fetchJson("/frontend/v1/models", signal));
  return asRecords(answer.data).map(({ id }) => asText(id)).filter((id) => id !== "");
}

/** The frontend's health, also while it is unhealthy. */
export async function fetchHealth(signal: AbortSignal): Promise<Json> {
  const response = await fetch("/frontend/health", { signal });
  const body = asRecord(await response.json().catch(() => null));
  if ("status" in body) return body;
  throw new Error(errorText(body) || `The frontend answered ${response.status}`);
}

async function fetchJson(path: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(path, { signal });
  if (response.ok) return await response.json();
  throw new Error(await failureText(response));
}

/** Why a request failed: the frontend answers in JSON, the traces service in text. */
export async function failureText(response: Response): Promise<string> {
  const text = await response.text();
  try {
    return errorText(asRecord(JSON.parse(text))) || text;
  } catch {
    return text || `The service answered ${response.status}`;
  }
}

/** The message of an error in OpenAI's form; empty without one. */
export function errorText(body: Json): string {
  return asText(asRecord(body.error).message);
}
