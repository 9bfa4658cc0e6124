/** The live list of requests, by filters or by a TraceQL query of one's own. */

import { REQUEST_SPAN_NAME } from "../../../shared/trace_view/request_facts.ts";
import { button, field, h, repeat } from "./dom.ts";
import { RequestList } from "./request_list.ts";
import { requestTrends } from "./request_trends.ts";
import { fetchRunning, type RunningRequest } from "./running_requests.ts";
import { lastSeconds, searchTraces } from "./trace_queries.ts";

const POLL_MS = 2_000;
const RUNNING_POLL_MS = 1_000;
/** They read every request of the period. */
const TRENDS_POLL_MS = 10_000;
const LIMIT = 100;
/** Something after a spanset: the query says itself what it selects. */
const PIPELINE = /\|\s*\w+\(/;
const SELECTED = [
  "request.outcome",
  "gen_ai.request.model",
  "gen_ai.usage.input_tokens",
  "gen_ai.usage.output_tokens",
  "http.response.status_code",
  "error.type",
  "ttft_ms",
  "avg_itl_ms",
  "itl_p99_ms",
  "prefill_worker_id",
  "decode_worker_id",
  "request_id",
];

const OUTCOMES: readonly [string, string][] = [
  ["", "All"],
  ["success", "Success"],
  ["error", "Error"],
  ["cancelled", "Cancelled"],
  ["rejected", "Rejected"],
];
const PERIODS: readonly [string, string][] = [
  ["900", "15 minutes"],
  ["3600", "1 hour"],
  ["86400", "1 day"],
];

export interface RequestFilters {
  readonly outcome: string;
  readonly minMs: string;
  readonly model: string;
  /** A query of one's own takes the place of the other filters. */
  readonly traceql: string;
}

/** The spans that the filters mean, in TraceQL; null where an own query says more than that. */
export function requestSpanset({ outcome, minMs, model, traceql }: RequestFilters): string | null {
  const own = traceql.trim();
  if (own !== "") return PIPELINE.test(own) ? null : own;
  const conditions = [
    `name = "${REQUEST_SPAN_NAME}"`,
    ...(outcome === "" ? [] : [`span.request.outcome = ${JSON.stringify(outcome)}`]),
    ...(minMs === "" ? [] : [`duration >= ${Number(minMs)}ms`]),
    ...(model === "" ? [] : [`span.gen_ai.request.model = ${JSON.stringify(model)}`]),
  ];
  return `{ ${conditions.join(" && ")} }`;
}

/** The TraceQL that finds the requests, with the columns of the list. */
export function requestQuery(filters: RequestFilters): string {
  const spanset = requestSpanset(filters);
  if (spanset === null) return filters.traceql.trim();
  const columns = SELECTED.map((name) => `span.${name}`).join(", ");
  // The times between tokens are told by the span of the worker that generated them.
  const spansets = filters.traceql.trim() === ""
    ? `(${spanset} || (${spanset} && { name = "engine.decode" }))`
    : spanset;
  return `${spansets} | select(${columns})`;
}

/** Whether a request that runs is one of those that the filters mean; TraceQL finds only spans. */
export function isWantedNow(
  { ageMs, model }: Pick<RunningRequest, "ageMs" | "model">,
  filters: RequestFilters,
): boolean {
  return filters.traceql.trim() === "" && filters.outcome === "" &&
    ageMs >= Number(filters.minMs) && (filters.model === "" || filters.model === model);
}

/** Where the list of a TraceQL query is; an empty query is that of all requests. */
export function requestsHref(query: string): string {
  return query === "" ? "#/requests" : `#/requests/${encodeURIComponent(query)}`;
}

/** `query` is the TraceQL that the address names; empty without one. */
export function requestsView(query: string, signal: AbortSignal): HTMLElement {
  const outcome = options("outcome", OUTCOMES);
  const period = options("period", PERIODS);
  period.value = "3600";
  const minMs = h("input", [], {
    attributes: { type: "number", name: "min_ms", min: "0", placeholder: "any" },
  });
  const model = h("input", [], { attributes: { type: "text", name: "model", placeholder: "any" } });
  const traceql = h("input", [], {
    attributes: {
      type: "text",
      name: "traceql",
      placeholder: `{ name = "kv.wait" && duration > 50ms }`,
      spellcheck: "false",
      value: query,
    },
  });
  const marked = new Set<string>();
  const compare = button("Compare", () => {
    location.hash = `#/compare/${[...marked].join("/")}`;
  });
  const mark = (traceId: string, isMarked: boolean) => {
    if (isMarked) marked.add(traceId);
    else marked.delete(traceId);
    compare.disabled = marked.size !== 2;
  };
  compare.disabled = true;
  compare.title = "Mark two requests to compare them";

  const filters = () => ({
    outcome: outcome.value,
    minMs: minMs.value,
    model: model.value.trim(),
    traceql: traceql.value,
  });
  const trends = requestTrends(signal);
  const list = new RequestList({
    limit: LIMIT,
    marked,
    mark,
    isWanted: (request) => isWantedNow(request, filters()),
  });
  let searching = new AbortController();
  let listing = Promise.resolve();
  /** Only the newest search is drawn. */
  const search = () => {
    searching.abort();
    searching = new AbortController();
    listing = find(AbortSignal.any([signal, searching.signal]));
    return listing;
  };
  const find = async (signal: AbortSignal) => {
    try {
      const found = await searchTraces(requestQuery(filters()), {
        limit: LIMIT,
        ...lastSeconds(Number(period.value)),
        signal,
      });
      list.found(found);
    } catch (error) {
      if (!signal.aborted) list.searchFailed(error);
    }
  };
  const lookAtRunning = async () => {
    try {
      list.running(await fetchRunning(signal));
    } catch (error) {
      if (!signal.aborted) list.runningFailed(error);
    }
  };
  const showTrends = async () => {
    // The store answers one after the other: the list comes first.
    await listing;
    await trends.show(requestSpanset(filters()), { sinceSeconds: Number(period.value) });
  };
  void repeat(search, { intervalMs: POLL_MS, signal });
  void repeat(lookAtRunning, { intervalMs: RUNNING_POLL_MS, signal });
  void repeat(showTrends, { intervalMs: TRENDS_POLL_MS, signal });
  const changed = () => {
    history.replaceState(null, "", requestsHref(traceql.value.trim()));
    list.draw();
    void search();
    void showTrends();
  };
  const form = h("form.filters", [
    field("Outcome", outcome),
    field("At least, ms", minMs),
    field("Model", model),
    field("Last", period),
    h("label.field.wide", [h("span", ["TraceQL"]), traceql]),
    h("div.actions", [
      h("button.primary", ["Search"], { attributes: { type: "submit" } }),
      compare,
    ]),
  ], {
    on: {
      submit: (event) => {
        event.preventDefault();
        changed();
      },
      change: changed,
    },
  });
  return h("section.requests", [h("h1", ["Requests"]), form, trends.element, list.element]);
}

function options(name: string, choices: readonly [string, string][]): HTMLSelectElement {
  return h(
    "select",
    choices.map(([value, label]) => h("option", [label], { attributes: { value } })),
    { attributes: { name } },
  );
}
