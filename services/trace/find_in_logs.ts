/**
 * Finds a request's spans in logs, in two passes: the first over the requests' own spans says which
 * trace is meant, the second takes that trace's lines. Neither keeps the rest in memory.
 */

import { readLogLine } from "../../shared/trace_view/log_line.ts";
import { REQUEST_SPAN_NAME } from "../../shared/trace_view/request_facts.ts";
import { textAttribute, type ViewSpan } from "../../shared/trace_view/span.ts";
import { brokenLinesNote, SpanCollection } from "../../shared/trace_view/span_collection.ts";
import type { LogSource } from "./log_source.ts";
import { isTraceIdStart, type RequestQuery } from "./request_query.ts";

export interface FoundTrace {
  readonly spans: readonly ViewSpan[];
  /** What a reader must know of how it was found. */
  readonly notes: readonly string[];
}

/** Throws an Error when no log tells of the request. */
export async function findInLogs(
  query: RequestQuery,
  sources: readonly LogSource[],
): Promise<FoundTrace> {
  if (query.kind === "trace") {
    const found = await collect(query.traceId, sources);
    if (found.spans.length > 0) return found;
    // The digits of a trace id may be somebody's x-request-id too.
    return await findInLogs({ kind: "id", id: query.traceId }, sources);
  }
  const requests = await readRequests(sources);
  const matching = requests.filter((span) => isMeant(query, span));
  const chosen = query.kind === "slow" ? longest(matching) : latest(matching);
  if (chosen === null) throw new Error(`Cannot find ${nameOf(query)}: ${reason(query, requests)}`);
  const found = await collect(chosen.traceId, sources);
  const traces = new Set(matching.map(({ traceId }) => traceId)).size;
  return query.kind === "id" && traces > 1
    ? {
      ...found,
      notes: [`${traces} requests match ${query.id}: this is the last`, ...found.notes],
    }
    : found;
}

/** The requests' own spans, each once, ended where the end is known. */
async function readRequests(sources: readonly LogSource[]): Promise<readonly ViewSpan[]> {
  const requests = new SpanCollection();
  for (const source of sources) {
    for await (const line of source.lines()) {
      if (!line.includes(`"${REQUEST_SPAN_NAME}"`)) continue;
      const reading = readLogLine(line, source.name);
      if (reading.type === "span" && reading.span.name === REQUEST_SPAN_NAME) {
        requests.addLine(line, source.name);
      }
    }
  }
  return requests.spans;
}

async function collect(traceId: string, sources: readonly LogSource[]): Promise<FoundTrace> {
  const collection = new SpanCollection();
  for (const source of sources) {
    for await (const line of source.lines()) {
      // A line that was cut off may have lost its trace id, and is counted.
      const isCut = line.includes('"SPAN_') && !line.trimEnd().endsWith("}");
      if (isCut || line.includes(traceId)) collection.addLine(line, source.name);
    }
  }
  const note = brokenLinesNote(collection.brokenLines);
  return {
    // A line may name the trace in a link only.
    spans: collection.spans.filter((span) => span.traceId === traceId),
    notes: note === null ? [] : [note],
  };
}

function isMeant(query: RequestQuery, span: ViewSpan): boolean {
  if (query.kind !== "id") return true;
  const { id } = query;
  return textAttribute(span, "x_request_id") === id || textAttribute(span, "request_id") === id ||
    (isTraceIdStart(id) && span.traceId.startsWith(id));
}

/** The one that ended last; without any that ended, the one that began last. */
function latest(spans: readonly ViewSpan[]): ViewSpan | null {
  return best(spans, (span) => span.endUs ?? span.startUs);
}

function longest(spans: readonly ViewSpan[]): ViewSpan | null {
  return best(spans, (span) => (span.endUs ?? span.startUs) - span.startUs);
}

function best(spans: readonly ViewSpan[], score: (span: ViewSpan) => number): ViewSpan | null {
  const ended = spans.filter(({ endUs }) => endUs !== null);
  let found: ViewSpan | null = null;
  for (const span of ended.length > 0 ? ended : spans) {
    if (found === null || score(span) > score(found)) found = span;
  }
  return found;
}

function nameOf(query: RequestQuery): string {
  switch (query.kind) {
    case "last":
      return "the last request";
    case "slow":
      return "the slowest request";
    case "trace":
      return `trace ${query.traceId}`;
    case "id":
      return `request ${query.id}`;
  }
}

function reason(query: RequestQuery, requests: readonly ViewSpan[]): string {
  if (requests.length > 0 && query.kind === "id") {
    return `none of the ${requests.length} requests in the logs has this x-request-id or trace id`;
  }
  return "the logs tell of no request; they need lines with span events " +
    "(DYN_LOGGING_JSONL=1 DYN_LOGGING_SPAN_EVENTS=1, or DYN_LOG_DIR)";
}
