/** Finds a request's spans through Tempo's query API. */

import { fetchFailure } from "../../shared/process/fetch_failure.ts";
import { readOtlpJson } from "../../shared/trace_view/otlp_json.ts";
import { REQUEST_SPAN_NAME } from "../../shared/trace_view/request_facts.ts";
import type { ViewSpan } from "../../shared/trace_view/span.ts";
import type { FoundTrace } from "./find_in_logs.ts";
import type { RequestQuery } from "./request_query.ts";

const TIMEOUT_MS = 30_000;
/** Traces that one search looks at. */
const SEARCH_LIMIT = 500;
const SEARCH_WINDOW_S = 24 * 60 * 60;
const HOUR_S = 60 * 60;

interface SearchHit {
  readonly traceId: string;
  readonly startNs: number;
  readonly durationMs: number;
}

/** How Tempo's query API is asked. */
export interface TempoAccess {
  /** Without a slash at its end. */
  readonly url: string;
  /** Sent with every query. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Throws an Error that says what Tempo answered. */
export async function findInTempo(query: RequestQuery, tempo: TempoAccess): Promise<FoundTrace> {
  const { url } = tempo;
  if (query.kind === "trace") {
    const spans = await fetchTrace(query.traceId, tempo);
    if (spans.length > 0) return { spans, notes: [] };
    return await findInTempo({ kind: "id", id: query.traceId }, tempo);
  }
  const hits = await search(traceQl(query), tempo);
  const chosen = query.kind === "slow"
    ? hits.toSorted((a, b) => b.durationMs - a.durationMs)[0]
    : hits.toSorted((a, b) => b.startNs - a.startNs)[0];
  if (chosen === undefined) {
    const what = query.kind === "id" ? `request ${query.id}` : `the ${query.kind} request`;
    throw new Error(`Cannot find ${what}: ${url} knows none of the last 24 hours`);
  }
  const notes = hits.length >= SEARCH_LIMIT
    ? [`Chosen among ${hits.length} requests: Tempo may hold more`]
    : query.kind === "id" && hits.length > 1
    ? [`${hits.length} requests match ${query.id}: this is the last`]
    : [];
  return { spans: await fetchTrace(chosen.traceId, tempo), notes };
}

function traceQl(query: RequestQuery): string {
  const request = `name = ${JSON.stringify(REQUEST_SPAN_NAME)}`;
  if (query.kind !== "id") return `{ ${request} }`;
  const id = JSON.stringify(query.id);
  return `{ ${request} && (span.x_request_id = ${id} || span.request_id = ${id}) }`;
}

async function fetchTrace(traceId: string, tempo: TempoAccess): Promise<ViewSpan[]> {
  const response = await ask(`/api/v2/traces/${traceId}`, tempo);
  if (response.status === 404) {
    await response.body?.cancel();
    return [];
  }
  return readOtlpJson(await readJson(response, tempo.url));
}

async function search(q: string, tempo: TempoAccess): Promise<SearchHit[]> {
  const nowS = Math.ceil(Date.now() / 1000);
  const parameters = new URLSearchParams({
    q,
    limit: String(SEARCH_LIMIT),
    spss: "1",
    start: String(nowS - SEARCH_WINDOW_S),
    // Clocks differ.
    end: String(nowS + HOUR_S),
  });
  const body = await readJson(await ask(`/api/search?${parameters}`, tempo), tempo.url);
  const traces = isRecord(body) && Array.isArray(body.traces) ? body.traces : [];
  return traces.filter(isRecord).map((trace) => ({
    // Search strips leading zeros.
    traceId: String(trace.traceID).padStart(32, "0"),
    startNs: Number(trace.startTimeUnixNano ?? 0),
    durationMs: Number(trace.durationMs ?? 0),
  }));
}

async function ask(path: string, { url, headers }: TempoAccess): Promise<Response> {
  const address = url + path;
  try {
    return await fetch(address, {
      headers: { accept: "application/json", ...headers },
      // A redirect would take the credentials elsewhere.
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    throw new Error(`Cannot ask Tempo at ${address}: ${fetchFailure(error, TIMEOUT_MS)}`);
  }
}

async function readJson(response: Response, url: string): Promise<unknown> {
  const text = await response.text();
  if (!response.ok) {
    throw new Error(
      `Cannot ask Tempo at ${url}: it answered ${response.status} ${text.slice(0, 200)}`,
    );
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`Cannot read the answer of ${url}: it is not JSON; is it Tempo's query API?`);
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
