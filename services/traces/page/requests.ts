/** The live list of requests, by filters or by a TraceQL query of one's own. */

import { formatDuration } from "../../../shared/trace_view/format.ts";
import { REQUEST_SPAN_NAME } from "../../../shared/trace_view/request_facts.ts";
import { button, field, h, redraw, repeat, showProblem } from "./dom.ts";
import { itlP99Ms, outcomeWords, spanOf, tokenWords } from "./found_request.ts";
import { listTable } from "./list_table.ts";
import { requestTrends } from "./request_trends.ts";
import { gapFigures } from "./token_gaps.ts";
import { type FoundTrace, lastSeconds, searchTraces } from "./trace_queries.ts";
import { traceHref } from "./waterfall.ts";

const POLL_MS = 2_000;
/** They read every request of the period. */
const TRENDS_POLL_MS = 10_000;
const LIMIT = 100;
/** Something after a spanset: the query says itself what it selects. */
const PIPELINE = /\|\s*\w+\(/;
const ID_SHOWN = 8;
/** A request of so many medians of the list stands out. */
const SLOW_FACTOR = 2;
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
  const list = h("div", [h("p.hint", ["Looking…"])]);
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
  let drawn = "";
  let running = new AbortController();
  let listing = Promise.resolve();
  /** Only the newest search is drawn. */
  const search = () => {
    running.abort();
    running = new AbortController();
    listing = find(AbortSignal.any([signal, running.signal]));
    return listing;
  };
  const find = async (signal: AbortSignal) => {
    try {
      const found = await searchTraces(requestQuery(filters()), {
        limit: LIMIT,
        ...lastSeconds(Number(period.value)),
        signal,
      });
      // An unchanged list stays as it is, with the reader's focus.
      const state = JSON.stringify(found);
      if (state === drawn) return;
      drawn = state;
      redraw(list, [requestTable(found, { marked, mark })]);
    } catch (error) {
      if (signal.aborted) return;
      drawn = "";
      showProblem(list, error);
    }
  };
  const showTrends = async () => {
    // The store answers one after the other: the list comes first.
    await listing;
    await trends.show(requestSpanset(filters()), { sinceSeconds: Number(period.value) });
  };
  void repeat(search, { intervalMs: POLL_MS, signal });
  void repeat(showTrends, { intervalMs: TRENDS_POLL_MS, signal });
  const changed = () => {
    history.replaceState(null, "", requestsHref(traceql.value.trim()));
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
  return h("section.requests", [h("h1", ["Requests"]), form, trends.element, list]);
}

function options(name: string, choices: readonly [string, string][]): HTMLSelectElement {
  return h(
    "select",
    choices.map(([value, label]) => h("option", [label], { attributes: { value } })),
    { attributes: { name } },
  );
}

interface Marks {
  readonly marked: ReadonlySet<string>;
  readonly mark: (traceId: string, isMarked: boolean) => void;
}

function requestTable(found: readonly FoundTrace[], marks: Marks): HTMLElement {
  if (found.length === 0) return h("p.hint", ["No request matches. New ones show by themselves."]);
  const durations = found.map((trace) => spanOf(trace).durationMs);
  const longestMs = Math.max(...durations, 1e-6);
  const slowMs = (gapFigures(durations)?.medianMs ?? 0) * SLOW_FACTOR;
  const head = [
    "",
    "Time",
    "Duration",
    "Outcome",
    "First token",
    "Between",
    "Between p99",
    "Tokens",
    "Model",
    "Workers",
  ];
  const rows = found.map((request) => requestRow(request, { ...marks, longestMs, slowMs }));
  return h("div", [
    listTable(head, rows),
    found.length < LIMIT ? null : h("p.hint", [`The newest ${LIMIT} of those that match.`]),
  ]);
}

interface RowOptions extends Marks {
  readonly longestMs: number;
  readonly slowMs: number;
}

function requestRow(trace: FoundTrace, options: RowOptions): HTMLElement {
  const { traceId } = trace;
  const { durationMs, attributes } = spanOf(trace);
  const { longestMs, slowMs, marked, mark } = options;
  const time = new Date(trace.startMs).toLocaleTimeString([], { hour12: false });
  const outcome = outcomeWords(trace);
  const isFailed = trace.errorCount > 0 || /^(error|rejected)/.test(outcome);
  const isSlow = slowMs > 0 && durationMs > slowMs;
  const bar = h("i.size_bar");
  bar.style.width = `${(durationMs / longestMs * 100).toFixed(1)}%`;
  const check = h("input", [], {
    attributes: {
      type: "checkbox",
      "aria-label": `Compare ${traceId}`,
      "data-key": `compare ${traceId}`,
      checked: marked.has(traceId),
    },
    on: { change: (event) => mark(traceId, (event.target as HTMLInputElement).checked) },
  });
  const cells: (Node | string)[] = [
    check,
    h("a", [time], {
      attributes: { href: traceHref(traceId), title: traceId, "data-key": traceId },
    }),
    h("span.size", [
      h("span", [duration(durationMs), isSlow ? h("strong.slow_mark", [" slow"]) : null]),
      bar,
    ]),
    h("span.outcome", [outcome]),
    duration(attributes.ttft_ms),
    duration(attributes.avg_itl_ms),
    duration(itlP99Ms(trace)),
    tokenWords(trace),
    String(attributes["gen_ai.request.model"] ?? ""),
    workers(trace),
  ];
  const row = h("tr", cells.map((cell) => h("td", [cell])));
  row.classList.toggle("failed", isFailed);
  row.classList.toggle("slow", isSlow);
  return row;
}

/** Where it ran: the beginnings of the workers' ids, and all of them in the title. */
function workers(trace: FoundTrace): Node | string {
  const { attributes } = spanOf(trace);
  const ids = [attributes.prefill_worker_id, attributes.decode_worker_id]
    .filter((id) => typeof id === "string");
  if (ids.length === 0) return trace.services.join(", ");
  return h("span", [ids.map((id) => id.slice(0, ID_SHOWN)).join(" → ")], {
    attributes: { title: ids.join(" → ") },
  });
}

function duration(ms: string | number | undefined): string {
  return typeof ms === "number" ? formatDuration(ms * 1000) : "";
}
