/** The live list of requests, by filters or by a TraceQL query of one's own. */

import { formatDuration } from "../../../shared/trace_view/format.ts";
import { type FoundRequest, searchTraces } from "./backend.ts";
import { button, field, h, notice, repeat } from "./dom.ts";
import { gapFigures } from "./token_gaps.ts";
import { traceHref } from "./waterfall.ts";

const POLL_MS = 2_000;
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

/** The TraceQL that finds the requests, with the columns of the list. */
export function requestQuery({ outcome, minMs, model, traceql }: RequestFilters): string {
  const own = traceql.trim();
  const columns = ` | select(${SELECTED.map((name) => `span.${name}`).join(", ")})`;
  if (own !== "") return PIPELINE.test(own) ? own : own + columns;
  const conditions = [
    `name = "http-request"`,
    ...(outcome === "" ? [] : [`span.request.outcome = ${JSON.stringify(outcome)}`]),
    ...(minMs === "" ? [] : [`duration >= ${Number(minMs)}ms`]),
    ...(model === "" ? [] : [`span.gen_ai.request.model = ${JSON.stringify(model)}`]),
  ];
  return `{ ${conditions.join(" && ")} }${columns}`;
}

export function requestsView(signal: AbortSignal): HTMLElement {
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

  let drawn = "";
  const search = async () => {
    const q = requestQuery({
      outcome: outcome.value,
      minMs: minMs.value,
      model: model.value.trim(),
      traceql: traceql.value,
    });
    try {
      const sinceSeconds = Number(period.value);
      const found = await searchTraces(q, { limit: LIMIT, sinceSeconds, signal });
      // An unchanged list stays as it is, with the reader's focus.
      const state = JSON.stringify(found);
      if (state === drawn) return;
      drawn = state;
      list.replaceChildren(requestTable(found, { marked, mark }));
    } catch (error) {
      if (signal.aborted) return;
      drawn = "";
      list.replaceChildren(notice(error));
    }
  };
  void repeat(search, { intervalMs: POLL_MS, signal });
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
        void search();
      },
      change: () => void search(),
    },
  });
  return h("section.requests", [h("h1", ["Requests"]), form, list]);
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

function requestTable(found: readonly FoundRequest[], marks: Marks): HTMLElement {
  if (found.length === 0) return h("p.hint", ["No request matches. New ones show by themselves."]);
  const durations = found.map(({ durationMs }) => durationMs);
  const longestMs = Math.max(...durations, 1e-6);
  const slowMs = (gapFigures(durations)?.medianMs ?? 0) * SLOW_FACTOR;
  const head = [
    "",
    "Time",
    "Outcome",
    "Duration",
    "First token",
    "Between",
    "Tokens",
    "Model",
    "Workers",
  ];
  const rows = found.map((request) => requestRow(request, { ...marks, longestMs, slowMs }));
  return h("div.table_scroll", [
    h("table.list", [
      h("thead", [h("tr", head.map((name) => h("th", [name], { attributes: { scope: "col" } })))]),
      h("tbody", rows),
    ]),
  ]);
}

interface RowOptions extends Marks {
  readonly longestMs: number;
  readonly slowMs: number;
}

function requestRow(request: FoundRequest, options: RowOptions): HTMLElement {
  const { traceId, durationMs, attributes } = request;
  const { longestMs, slowMs, marked, mark } = options;
  const time = new Date(request.startMs).toLocaleTimeString([], { hour12: false });
  const outcome = outcomeWords(request);
  const isFailed = request.errorCount > 0 || /^(error|rejected)/.test(outcome);
  const isSlow = options.slowMs > 0 && durationMs > slowMs;
  const bar = h("i.size_bar");
  bar.style.width = `${(durationMs / longestMs * 100).toFixed(1)}%`;
  const check = h("input", [], {
    attributes: {
      type: "checkbox",
      "aria-label": `Compare ${traceId}`,
      checked: marked.has(traceId),
    },
    on: { change: (event) => mark(traceId, (event.target as HTMLInputElement).checked) },
  });
  const cells: (Node | string)[] = [
    check,
    h("a", [time], { attributes: { href: traceHref(traceId), title: traceId } }),
    h("span.outcome", [outcome]),
    h("span.size", [
      h("span", [duration(durationMs), isSlow ? h("strong.slow_mark", [" slow"]) : null]),
      bar,
    ]),
    duration(attributes.ttft_ms),
    duration(attributes.avg_itl_ms),
    tokens(request),
    String(attributes["gen_ai.request.model"] ?? ""),
    workers(request),
  ];
  const row = h("tr", cells.map((cell) => h("td", [cell])));
  row.classList.toggle("failed", isFailed);
  row.classList.toggle("slow", isSlow);
  return row;
}

function outcomeWords({ attributes, title }: FoundRequest): string {
  return [
    attributes["request.outcome"] ?? title,
    attributes["http.response.status_code"],
    attributes["error.type"],
  ].filter((word) => word !== undefined).join(" ");
}

function tokens({ attributes }: FoundRequest): string {
  const input = attributes["gen_ai.usage.input_tokens"];
  if (input === undefined) return "";
  return `${input} + ${attributes["gen_ai.usage.output_tokens"] ?? 0}`;
}

/** Where it ran: the beginnings of the workers' ids, and all of them in the title. */
function workers({ attributes, services }: FoundRequest): Node | string {
  const ids = [attributes.prefill_worker_id, attributes.decode_worker_id]
    .filter((id) => typeof id === "string");
  if (ids.length === 0) return services.join(", ");
  return h("span", [ids.map((id) => id.slice(0, ID_SHOWN)).join(" → ")], {
    attributes: { title: ids.join(" → ") },
  });
}

function duration(ms: string | number | undefined): string {
  return typeof ms === "number" ? formatDuration(ms * 1000) : "";
}
