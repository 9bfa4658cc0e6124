/** What the page asks of its own origin beside traces: the frontend behind the proxy, and logs. */

import { asRecord, asRecords, asText, type Json } from "./json.ts";

/** A line of a service's log. */
export interface LogLine {
  readonly service: string;
  readonly fields: Json;
}

export interface FoundLogs {
  readonly lines: readonly LogLine[];
  /** Why lines are missing, or that there are no logs to look at; empty when all is there. */
  readonly note: string;
}

/** The lines of the services' logs that name a trace, by their time. */
export async function fetchLogs(traceId: string, signal: AbortSignal): Promise<FoundLogs> {
  const answer = asRecord(await fetchJson(`/logs/${encodeURIComponent(traceId)}`, signal));
  return {
    lines: asRecords(answer.lines).map(({ service, fields }) => ({
      service: asText(service),
      fields: asRecord(fields),
    })),
    note: asText(answer.note),
  };
}

/** Names of the models that are served. */
export async function fetchModels(signal: AbortSignal): Promise<string[]> {
  const answer = asRecord(await fetchJson("/frontend/v1/models", signal));
  return asRecords(answer.data).map(({ id }) => asText(id)).filter((id) => id !== "");
}

/** The frontend's health, also while it is unhealthy. */
export async function fetchHealth(signal: AbortSignal): Promise<Json> {
  const response = await reach("/frontend/health", { signal });
  const body = asRecord(await response.json().catch(() => null));
  if ("status" in body) return body;
  throw new Error(errorText(body) || `The frontend answered ${response.status}`);
}

/** The JSON at a path of this origin. Rejects with the service's own words. */
export async function fetchJson(path: string, signal: AbortSignal): Promise<unknown> {
  const response = await reach(path, { signal });
  if (response.ok) return await response.json();
  throw new Error(await failureText(response));
}

/** As `fetch`, with words where nothing answers. */
export async function reach(
  path: string,
  init: RequestInit & { readonly signal: AbortSignal },
): Promise<Response> {
  try {
    return await fetch(path, init);
  } catch (error) {
    init.signal.throwIfAborted();
    throw new Error("Cannot reach the traces service, which serves this page: is it running?", {
      cause: error,
    });
  }
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
